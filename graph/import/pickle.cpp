#include "graph/import/pickle.h"

#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "graph/import/name.h"
#include "graph/import/pickle_opcodes.h"
#include "graph/input_limits.h"

namespace residua::graph {
namespace {

constexpr std::size_t longest_global = 256;

std::string hexadecimal(unsigned value) {
  static constexpr std::string_view digits = "0123456789abcdef";
  return {'0', 'x', digits[value >> 4 & 15], digits[value & 15]};
}

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, std::size_t position) : bytes_(bytes), position_(position) {}

  Result<Pickle> run() {
    while (!stopped_ && !error_) {
      instruction_ = position_;
      const auto code = take_number<std::uint8_t>();
      within(Limit::pickle_instructions, ++instructions_, "instructions");
      if (error_) break;
      execute(static_cast<PickleOpcode>(code));
    }
    if (error_) return *error_;
    return std::move(pickle_);
  }
  std::size_t position() const { return position_; }

 private:
  void fail(std::string message, ErrorCode code = ErrorCode::malformed) {
    if (!error_) error_ = Error{code, "pickle, byte " + std::to_string(instruction_) + ": " + std::move(message)};
  }
  // Whether a count may be that large; fails where not.
  bool within(Limit limit, std::uint64_t found, std::string_view what) {
    if (found <= value_of(limit)) return true;
    fail(over_limit(limit, found, what).message, ErrorCode::limit);
    return false;
  }

  // --- bytes ---
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - position_) {
      fail(std::to_string(count) + " bytes are wanted, " + std::to_string(bytes_.size() - position_) + " are left");
      return {};
    }
    const auto* first = reinterpret_cast<const char*>(bytes_.data()) + position_;
    position_ += count;
    return {first, count};
  }
  template <class T>
  T take_number() {
    T value{};
    const std::string_view text = take(sizeof(T));
    if (text.size() == sizeof(T)) std::memcpy(&value, text.data(), sizeof(T));
    return value;
  }
  template <class Length>
  std::string_view take_counted() {
    const Length length = take_number<Length>();
    if constexpr (std::is_signed_v<Length>) {
      if (length < 0) fail("a length of " + std::to_string(length));
    }
    return error_ ? std::string_view{} : take(static_cast<std::uint64_t>(length));
  }
  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, bytes_.size() - position_);
    const std::size_t length = rest.substr(0, longest_global).find('\n');
    if (length == std::string_view::npos) {
      fail("a name without an end within " + std::to_string(longest_global) + " bytes");
      return {};
    }
    position_ += length + 1;
    return rest.substr(0, length);
  }

  // --- stack ---
  void push_id(PickleId id) {
    if (error_) return;
    if (within(Limit::pickle_values, stack_.size() + 1, "values on the stack")) stack_.push_back(id);
  }
  void push(PickleValue value) {
    if (error_) return;
    if (!within(Limit::pickle_values, pickle_.values.size() + 1, "values")) return;
    pickle_.values.push_back(std::move(value));
    push_id(static_cast<PickleId>(pickle_.values.size() - 1));
  }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  // The topmost value, or nothing (and an error) where the stack or the part above the last mark is empty.
  std::optional<PickleId> top() {
    if (error_) return {};
    if (stack_.size() <= floor()) {
      fail("a value is taken from an empty stack");
      return {};
    }
    return stack_.back();
  }
  std::optional<PickleId> pop() {
    const auto id = top();
    if (id) stack_.pop_back();
    return id;
  }
  // All values above the last mark, which goes too.
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) {
      fail("a mark is wanted, but none is set");
      return {};
    }
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<PickleId> pop_count(std::size_t count) {
    std::vector<PickleId> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop().value_or(0);
    return items;
  }

  // --- containers ---
  void append_items(const std::vector<PickleId>& items) {
    const auto target = top();
    if (!target) return;
    auto* list = std::get_if<PickleList>(&pickle_.values[*target]);
    if (!list) return fail("items are appended to " + describe(pickle_, *target) + ", expected a list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<PickleId>& items) {
    const auto target = top();
    if (!target) return;
    auto* dictionary = std::get_if<PickleDictionary>(&pickle_.values[*target]);
    if (!dictionary) return fail("items are set in " + describe(pickle_, *target) + ", expected a dict");
    if (items.size() % 2 != 0) return fail("a key without a value");
    // Dicts made of one shared list of pairs would otherwise multiply it.
    entries_ += items.size() / 2;
    if (!within(Limit::pickle_values, entries_, "dict entries")) return;
    for (std::size_t i = 0; i < items.size(); i += 2) dictionary->items.emplace_back(items[i], items[i + 1]);
  }
  void make_dictionary(const std::vector<PickleId>& items) {
    push(PickleDictionary{});
    set_items(items);
  }

  // --- names and calls ---
  void push_global(std::string_view module, std::string_view name) {
    if (error_) return;
    const PickleGlobal* global = find_pickle_global(module, name);
    if (!global) {
      const std::string full = in_quotes(std::string(module) + "." + std::string(name));
      return fail("it wants " + full +
                      ", which is not on the list of what a state dict needs, and nothing else is read; " +
                      "a file that holds a whole model must be saved again as model.state_dict()",
                  ErrorCode::unsupported);
    }
    push(global);
  }
  void stack_global() {
    const auto name = pop(), module = pop();
    if (!name || !module) return;
    const auto *name_text = pickle_.get<std::string_view>(*name), *module_text = pickle_.get<std::string_view>(*module);
    if (!name_text || !module_text) return fail("a global's module and name must be texts");
    push_global(*module_text, *name_text);
  }
  void call() {
    const auto arguments = pop(), function = pop();
    if (!arguments || !function) return;
    const auto* global = pickle_.get<const PickleGlobal*>(*function);
    if (!global) return fail("a call of " + describe(pickle_, *function) + ", expected a global");
    const auto* tuple = pickle_.get<PickleTuple>(*arguments);
    if (!tuple) return fail("a call with " + describe(pickle_, *arguments) + ", expected a tuple");
    switch ((*global)->role) {
      case PickleRole::storage:
        return fail("a call of the storage class " + in_quotes((*global)->name) + ", which no state dict makes");
      case PickleRole::dictionary:
        return make_ordered_dictionary(*tuple);
      default:
        push(PickleCall{*global, *arguments});
    }
  }
  // OrderedDict(): empty, or (Python 2) from a list of [key, value] pairs. defaultdict's factory is no content.
  void make_ordered_dictionary(const PickleTuple& arguments) {
    std::vector<PickleId> items;
    const auto* pairs = arguments.items.empty() ? nullptr : pickle_.get<PickleList>(arguments.items[0]);
    if (pairs && !within(Limit::pickle_values, pairs->items.size(), "pairs of an OrderedDict")) return;
    for (std::size_t i = 0; pairs && i < pairs->items.size(); ++i) {
      const auto* list = pickle_.get<PickleList>(pairs->items[i]);
      const auto* tuple = pickle_.get<PickleTuple>(pairs->items[i]);
      const std::vector<PickleId>* pair = list ? &list->items : tuple ? &tuple->items : nullptr;
      if (!pair || pair->size() != 2) return fail("an OrderedDict made of something else than pairs");
      items.insert(items.end(), pair->begin(), pair->end());
    }
    make_dictionary(items);
  }
  // An object's attributes (state_dict's _metadata, an optimizer's defaults): dropped.
  void build() {
    const auto state = pop(), target = top();
    if (!state || !target) return;
    const auto* called = pickle_.get<PickleCall>(*target);
    const bool has_attributes =
        pickle_.get<PickleDictionary>(*target) || (called && called->function->role == PickleRole::plain);
    if (!has_attributes) fail("attributes are given to " + describe(pickle_, *target));
  }

  // --- memo ---
  void memo_put(std::size_t index) {
    const auto id = top();
    if (!id) return;
    if (!within(Limit::pickle_values, std::uint64_t{index} + 1, "memo entries")) return;
    if (index >= memo_.size()) memo_.resize(index + 1);
    memo_[index] = id;
  }
  void memo_get(std::size_t index) {
    if (error_) return;
    if (index >= memo_.size() || !memo_[index]) return fail("memo entry " + std::to_string(index) + " was never set");
    push_id(*memo_[index]);
  }

  void push_integer(std::string_view little_endian) {
    if (error_) return;
    if (little_endian.size() > sizeof(std::int64_t)) return push(PickleLong{little_endian});
    const bool negative = !little_endian.empty() && (static_cast<unsigned char>(little_endian.back()) & 0x80) != 0;
    std::int64_t value = negative ? -1 : 0;
    std::memcpy(&value, little_endian.data(), little_endian.size());
    push(value);
  }
  void stop() {
    if (!marks_.empty()) return fail("the end, with " + std::to_string(marks_.size()) + " marks still open");
    const auto root = pop();
    if (!root) return;
    pickle_.root = *root;
    stopped_ = true;
  }
  void protocol() {
    const auto version = take_number<std::uint8_t>();
    if (version < 2 || version > 5) {
      fail("pickle protocol " + std::to_string(version) + ", expected 2 to 5", ErrorCode::unsupported);
    }
  }
  void mark() {
    if (within(Limit::pickle_depth, marks_.size() + 1, "marks open, nested too deeply"))
      marks_.push_back(stack_.size());
  }
  void pop_any() {
    if (!marks_.empty() && marks_.back() == stack_.size())
      marks_.pop_back();
    else
      pop();
  }
  void frame() {
    const auto length = take_number<std::uint64_t>();
    if (length > bytes_.size() - position_) {
      fail("a frame of " + std::to_string(length) + " bytes, " + std::to_string(bytes_.size() - position_) +
           " are left");
    }
  }
  // Operands are big-endian here alone.
  void push_float() { push(std::bit_cast<double>(__builtin_bswap64(take_number<std::uint64_t>()))); }
  void push_persistent() {
    if (const auto id = pop()) push(PicklePersistent{*id});
  }
  void push_top() {
    if (const auto id = top()) push_id(*id);
  }

  void execute(PickleOpcode code);

  std::span<const std::byte> bytes_;
  std::size_t position_;
  std::size_t instruction_ = 0;  // where the current one starts
  std::size_t instructions_ = 0;
  std::size_t entries_ = 0;  // of all dicts
  bool stopped_ = false;
  std::optional<Error> error_;
  Pickle pickle_;
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;  // stack heights
  std::vector<std::optional<PickleId>> memo_;
};

void Machine::execute(PickleOpcode code) {
  switch (code) {
    case PickleOpcode::proto:
      return protocol();
    case PickleOpcode::frame:
      return frame();
    case PickleOpcode::mark:
      return mark();
    case PickleOpcode::stop:
      return stop();
    case PickleOpcode::pop:
      return pop_any();
    case PickleOpcode::pop_mark:
      pop_to_mark();
      return;
    case PickleOpcode::dup:
      return push_top();

    case PickleOpcode::none:
      return push(PickleNone{});
    case PickleOpcode::newtrue:
      return push(true);
    case PickleOpcode::newfalse:
      return push(false);
    case PickleOpcode::binint:
      return push(std::int64_t{take_number<std::int32_t>()});
    case PickleOpcode::binint1:
      return push(std::int64_t{take_number<std::uint8_t>()});
    case PickleOpcode::binint2:
      return push(std::int64_t{take_number<std::uint16_t>()});
    case PickleOpcode::long1:
      return push_integer(take_counted<std::uint8_t>());
    case PickleOpcode::long4:
      return push_integer(take_counted<std::int32_t>());
    case PickleOpcode::binfloat:
      return push_float();
    case PickleOpcode::binstring:
      return push(take_counted<std::int32_t>());
    case PickleOpcode::short_binstring:
    case PickleOpcode::short_binunicode:
      return push(take_counted<std::uint8_t>());
    case PickleOpcode::binunicode:
      return push(take_counted<std::uint32_t>());
    case PickleOpcode::binunicode8:
      return push(take_counted<std::uint64_t>());
    case PickleOpcode::binbytes:
      return push(PickleBytes{take_counted<std::uint32_t>()});
    case PickleOpcode::short_binbytes:
      return push(PickleBytes{take_counted<std::uint8_t>()});
    case PickleOpcode::binbytes8:
    case PickleOpcode::bytearray8:
      return push(PickleBytes{take_counted<std::uint64_t>()});

    case PickleOpcode::empty_tuple:
      return push(PickleTuple{});
    case PickleOpcode::tuple:
      return push(PickleTuple{pop_to_mark()});
    case PickleOpcode::tuple1:
      return push(PickleTuple{pop_count(1)});
    case PickleOpcode::tuple2:
      return push(PickleTuple{pop_count(2)});
    case PickleOpcode::tuple3:
      return push(PickleTuple{pop_count(3)});
    case PickleOpcode::empty_list:
    case PickleOpcode::empty_set:
      return push(PickleList{});
    case PickleOpcode::list:
    case PickleOpcode::frozenset:
      return push(PickleList{pop_to_mark()});
    case PickleOpcode::append:
      return append_items(pop_count(1));
    case PickleOpcode::appends:
    case PickleOpcode::additems:
      return append_items(pop_to_mark());
    case PickleOpcode::empty_dict:
      return push(PickleDictionary{});
    case PickleOpcode::dict:
      return make_dictionary(pop_to_mark());
    case PickleOpcode::setitem:
      return set_items(pop_count(2));
    case PickleOpcode::setitems:
      return set_items(pop_to_mark());

    case PickleOpcode::global: {
      const std::string_view module = take_line();
      return push_global(module, error_ ? std::string_view{} : take_line());
    }
    case PickleOpcode::stack_global:
      return stack_global();
    case PickleOpcode::reduce:
    case PickleOpcode::newobj:
      return call();
    case PickleOpcode::build:
      return build();
    case PickleOpcode::binpersid:
      return push_persistent();

    case PickleOpcode::binput:
      return memo_put(take_number<std::uint8_t>());
    case PickleOpcode::long_binput:
      return memo_put(take_number<std::uint32_t>());
    case PickleOpcode::memoize:
      return memo_put(memo_.size());
    case PickleOpcode::binget:
      return memo_get(take_number<std::uint8_t>());
    case PickleOpcode::long_binget:
      return memo_get(take_number<std::uint32_t>());
  }
  fail("the opcode " + hexadecimal(static_cast<unsigned>(code)) + " is not one that data needs",
       ErrorCode::unsupported);
}

}  // namespace

Result<Pickle> read_pickle(std::span<const std::byte> bytes, std::size_t& position) {
  Machine machine(bytes, position);
  Result<Pickle> pickle = machine.run();
  position = machine.position();
  return pickle;
}

}  // namespace residua::graph
