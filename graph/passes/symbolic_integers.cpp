#include "graph/passes/symbolic_integers.h"

#include <algorithm>
#include <numeric>

#include "graph/interpret.h"

namespace residua::graph {
namespace {

using Kind = SymbolicInteger::Kind;
using Inputs = std::span<const SymbolicTensor* const>;

SymbolicInteger number(std::int64_t value) { return {Kind::number, value}; }

bool is(const SymbolicInteger& entry, std::int64_t value) { return entry.is_number() && entry.number == value; }

SymbolicInteger combine_numbers(Op op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflows = false;
  if (op == Op::add) overflows = __builtin_add_overflow(a, b, &result);
  if (op == Op::subtract) overflows = __builtin_sub_overflow(a, b, &result);
  if (op == Op::multiply) overflows = __builtin_mul_overflow(a, b, &result);
  if (op == Op::divide) {
    overflows = b == 0 || (a == INT64_MIN && b == -1);
    if (!overflows) result = a / b;
  }
  return overflows ? SymbolicInteger{} : number(result);
}

// The batch is at least 1 and the same wherever it occurs.
SymbolicInteger combine(Op op, const SymbolicInteger& a, const SymbolicInteger& b) {
  if (a.is_number() && b.is_number()) return combine_numbers(op, a.number, b.number);
  const bool same_batch = a.kind == Kind::batch && b.kind == Kind::batch;
  switch (op) {
    case Op::add:
      return is(a, 0) ? b : is(b, 0) ? a : SymbolicInteger{};
    case Op::subtract:
      return same_batch ? number(0) : is(b, 0) ? a : SymbolicInteger{};
    case Op::multiply:
      if (is(a, 0) || is(b, 0)) return number(0);
      return is(a, 1) ? b : is(b, 1) ? a : SymbolicInteger{};
    case Op::divide:
      return same_batch ? number(1) : is(b, 1) ? a : SymbolicInteger{};
    default:
      return {};
  }
}

// Runs a node that computes with integers.
std::optional<Value> run(const Node& node, std::span<const Value> inputs) {
  std::vector<const Value*> pointers;
  for (const Value& input : inputs) pointers.push_back(&input);
  Result<Value> result = interpret_node(node, pointers);
  if (!result || result->elements.index() != 1) return std::nullopt;
  if (result->integers().size() > static_cast<std::size_t>(most_symbolic_entries)) return std::nullopt;
  return std::move(*result);
}

// 0, 1, 2 ..: they stand for the entries while the interpreter moves them about.
Value tokens(const SymbolicTensor& tensor, std::int64_t first) {
  std::vector<std::int64_t> values(tensor.entries.size());
  std::iota(values.begin(), values.end(), first);
  return {tensor.shape, std::move(values)};
}

Value zeros(const SymbolicTensor& tensor) {
  return {tensor.shape, std::vector<std::int64_t>(tensor.entries.size(), 0)};
}

// Ops that put entries elsewhere, `moved` of their inputs; the others say where to.
std::optional<SymbolicTensor> move_entries(const Node& node, Inputs inputs, std::size_t moved) {
  std::vector<SymbolicInteger> entries;
  std::vector<Value> values;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]) return std::nullopt;
    if (i < moved) {
      values.push_back(tokens(*inputs[i], static_cast<std::int64_t>(entries.size())));
      entries.insert(entries.end(), inputs[i]->entries.begin(), inputs[i]->entries.end());
    } else {
      if (!inputs[i]->is_known()) return std::nullopt;
      values.push_back({inputs[i]->shape, inputs[i]->numbers()});
    }
  }
  const std::optional<Value> result = run(node, values);
  if (!result) return std::nullopt;
  SymbolicTensor output{result->shape, {}};
  for (const std::int64_t token : result->integers())
    output.entries.push_back(entries[static_cast<std::size_t>(token)]);
  return output;
}

// Arithmetic, entry by entry; the interpreter broadcasts the tokens.
std::optional<SymbolicTensor> combine_entries(const Node& node, Inputs inputs) {
  if (!inputs[0] || !inputs[1]) return std::nullopt;
  const Node sum{Op::add, node.name, {}, no_tensor, NoAttributes{}};
  const auto a = run(sum, std::array{tokens(*inputs[0], 0), zeros(*inputs[1])});
  const auto b = run(sum, std::array{zeros(*inputs[0]), tokens(*inputs[1], 0)});
  if (!a || !b) return std::nullopt;
  SymbolicTensor output{a->shape, {}};
  for (std::size_t i = 0; i < a->integers().size(); ++i) {
    output.entries.push_back(combine(node.op, inputs[0]->entries[static_cast<std::size_t>(a->integers()[i])],
                                     inputs[1]->entries[static_cast<std::size_t>(b->integers()[i])]));
  }
  return output;
}

// Numbers may change in a narrowing cast; symbols are sizes, which fit any type that a shape is given in.
std::optional<SymbolicTensor> cast_entries(const Node& node, Inputs inputs) {
  const ElementType to = attributes_of<CastAttributes>(node).to;
  if (!inputs[0] || (to != ElementType::int64 && to != ElementType::int32)) return std::nullopt;
  SymbolicTensor output = *inputs[0];
  for (SymbolicInteger& entry : output.entries) {
    if (!entry.is_number()) continue;
    const auto result = run(node, std::array{Value{{}, std::vector<std::int64_t>{entry.number}}});
    if (!result) return std::nullopt;
    entry.number = result->integers()[0];
  }
  return output;
}

std::optional<SymbolicTensor> filled(const Node& node, Inputs inputs) {
  if (!inputs[0] || !inputs[0]->is_known()) return std::nullopt;
  const std::vector<std::int64_t> shape = inputs[0]->numbers();
  const Result<std::int64_t> count = element_count(shape);
  if (!count || *count > most_symbolic_entries) return std::nullopt;
  const auto result = run(node, std::array{Value{inputs[0]->shape, shape}});
  return result ? std::optional(symbolic_numbers(result->shape, result->integers())) : std::nullopt;
}

}  // namespace

bool SymbolicTensor::is_known() const {
  return std::all_of(entries.begin(), entries.end(), [](const SymbolicInteger& entry) { return entry.is_number(); });
}

std::vector<std::int64_t> SymbolicTensor::numbers() const {
  std::vector<std::int64_t> values;
  values.reserve(entries.size());
  for (const SymbolicInteger& entry : entries) values.push_back(entry.number);
  return values;
}

SymbolicTensor symbolic_numbers(const Shape& shape, const std::vector<std::int64_t>& numbers) {
  SymbolicTensor tensor{shape, {}};
  for (const std::int64_t value : numbers) tensor.entries.push_back(number(value));
  return tensor;
}

SymbolicTensor symbolic_shape(const Shape& shape) {
  SymbolicTensor tensor{{static_cast<Dimension>(shape.size())}, {}};
  for (const Dimension dimension : shape) {
    const Kind symbol = dimension == batch_dimension ? Kind::batch : Kind::unknown;
    tensor.entries.push_back(is_static(dimension) ? number(dimension) : SymbolicInteger{symbol, 0});
  }
  return tensor;
}

std::optional<SymbolicTensor> evaluate_symbolically(const Node& node, Inputs inputs) {
  switch (node.op) {
    case Op::gather:
    case Op::slice:
    case Op::reshape:
    case Op::flatten:
    case Op::squeeze:
    case Op::unsqueeze:
    case Op::transpose:
    case Op::identity:
      return move_entries(node, inputs, 1);
    case Op::concat:
      return move_entries(node, inputs, inputs.size());
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
      return combine_entries(node, inputs);
    case Op::cast:
      return cast_entries(node, inputs);
    case Op::constant_of_shape:
      return filled(node, inputs);
    default:
      return std::nullopt;
  }
}

}  // namespace residua::graph
