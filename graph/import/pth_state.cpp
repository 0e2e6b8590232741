#include "graph/import/pth_state.h"

#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "graph/import/name.h"
#include "graph/input_limits.h"

namespace residua::graph {
namespace {

// How training scripts name the weights within a checkpoint, and how deep such levels go.
constexpr std::array<std::string_view, 6> state_keys{"state_dict", "model_state_dict", "model_state", "model",
                                                     "net",        "network"};
constexpr int most_levels = 4;

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message)}; }

// A count or an offset.
Result<std::int64_t> count_of(const Pickle& pickle, PickleId id, std::string_view what) {
  const auto* value = pickle.get<std::int64_t>(id);
  if (!value || *value < 0) return malformed(std::string(what) + " is " + describe(pickle, id) + ", expected a count");
  return *value;
}

Result<std::vector<std::int64_t>> counts_of(const Pickle& pickle, PickleId id, std::string_view what) {
  // torch.Size((2, 3)) stands for its tuple.
  const auto* call = pickle.get<PickleCall>(id);
  if (call && call->function->name == "Size") {
    const auto* arguments = pickle.get<PickleTuple>(call->arguments);
    if (arguments && arguments->items.size() == 1) id = arguments->items[0];
  }
  const auto* tuple = pickle.get<PickleTuple>(id);
  if (!tuple) return malformed(std::string(what) + " are " + describe(pickle, id) + ", expected a tuple");
  RESIDUA_RETURN_IF_ERROR(check_limit(Limit::rank, tuple->items.size(), "dimensions"));
  std::vector<std::int64_t> counts;
  for (const PickleId item : tuple->items) {
    RESIDUA_ASSIGN(const std::int64_t count, count_of(pickle, item, "one of its " + std::string(what)));
    counts.push_back(count);
  }
  return counts;
}

// ('storage', class, key, location, elements[, view]) with view None or (key, offset, elements)
Result<StorageReference> storage_of(const Pickle& pickle, PickleId id) {
  const auto* persistent = pickle.get<PicklePersistent>(id);
  if (!persistent) return malformed("its storage is " + describe(pickle, id));
  const auto* tuple = pickle.get<PickleTuple>(persistent->id);
  if (!tuple || tuple->items.size() < 5 || tuple->items.size() > 6) {
    return malformed("a persistent id is not the tuple of 5 or 6 that names a storage");
  }
  const auto& items = tuple->items;
  const auto* tag = pickle.get<std::string_view>(items[0]);
  const auto* type = pickle.get<const PickleGlobal*>(items[1]);
  const auto* key = pickle.get<std::string_view>(items[2]);
  if (!tag || *tag != "storage")
    return malformed("a persistent id is of " + describe(pickle, items[0]) + ", expected 'storage'");
  if (!type || (*type)->role != PickleRole::storage) {
    return malformed("a storage's class is " + describe(pickle, items[1]));
  }
  if (!key) return malformed("a storage's key is " + describe(pickle, items[2]) + ", expected a text");
  StorageReference storage;
  storage.key = std::string(*key);
  storage.type = (*type)->type;
  RESIDUA_ASSIGN(storage.elements, count_of(pickle, items[4], "the size of storage " + in_quotes(*key)));
  std::int64_t size = 0;
  if (__builtin_mul_overflow(storage.elements, static_cast<std::int64_t>(size_of(storage.type)), &size)) {
    return malformed("storage " + in_quotes(*key) + " claims " + std::to_string(storage.elements) + " elements");
  }
  storage.view_elements = storage.elements;
  if (items.size() == 6 && !pickle.get<PickleNone>(items[5])) {
    const auto* view = pickle.get<PickleTuple>(items[5]);
    if (!view || view->items.size() != 3)
      return malformed("the view of storage " + in_quotes(*key) + " is not a tuple of 3");
    RESIDUA_ASSIGN(storage.view_offset, count_of(pickle, view->items[1], "a view's offset"));
    RESIDUA_ASSIGN(storage.view_elements, count_of(pickle, view->items[2], "a view's size"));
    if (storage.view_offset > storage.elements || storage.view_elements > storage.elements - storage.view_offset) {
      return malformed("a view of " + std::to_string(storage.view_elements) + " elements from " +
                       std::to_string(storage.view_offset) + " lies outside storage " + in_quotes(*key) + " of " +
                       std::to_string(storage.elements));
    }
  }
  return storage;
}

// The call that builds the tensor, looked for through the parameters around it; nullptr for any other value.
const PickleCall* tensor_call(const Pickle& pickle, PickleId id) {
  for (int level = 0; level < most_levels; ++level) {
    const auto* call = pickle.get<PickleCall>(id);
    if (!call) return nullptr;
    if (call->function->role == PickleRole::tensor) return call;
    const auto* arguments = pickle.get<PickleTuple>(call->arguments);
    if (call->function->role != PickleRole::parameter || !arguments || arguments->items.empty()) return nullptr;
    id = arguments->items[0];
  }
  return nullptr;
}

Result<TensorReference> tensor_of(const Pickle& pickle, const PickleCall& call) {
  const auto* arguments = pickle.get<PickleTuple>(call.arguments);
  if (!arguments || arguments->items.size() < 4) return malformed("it is built from fewer than 4 arguments");
  const auto& items = arguments->items;
  TensorReference tensor;
  RESIDUA_ASSIGN(tensor.storage, storage_of(pickle, items[0]));
  RESIDUA_ASSIGN(tensor.offset, count_of(pickle, items[1], "its offset"));
  RESIDUA_ASSIGN(tensor.sizes, counts_of(pickle, items[2], "sizes"));
  RESIDUA_ASSIGN(tensor.strides, counts_of(pickle, items[3], "strides"));
  if (tensor.sizes.size() != tensor.strides.size()) {
    return malformed(std::to_string(tensor.sizes.size()) + " sizes and " + std::to_string(tensor.strides.size()) +
                     " strides");
  }
  return tensor;
}

const PickleDictionary* dictionary_under(const Pickle& pickle, const PickleDictionary& dictionary,
                                         std::string_view key) {
  for (const auto& [name, value] : dictionary.items) {
    const auto* text = pickle.get<std::string_view>(name);
    if (!text || *text != key) continue;
    if (const auto* inner = pickle.get<PickleDictionary>(value)) return inner;
  }
  return nullptr;
}

const PickleDictionary* find_state(const Pickle& pickle, const PickleDictionary& root) {
  const PickleDictionary* state = &root;
  for (int level = 0; level < most_levels; ++level) {
    const PickleDictionary* inner = nullptr;
    for (const std::string_view key : state_keys) {
      if (!inner) inner = dictionary_under(pickle, *state, key);
    }
    if (!inner) break;
    state = inner;
  }
  return state;
}

// "'epoch', 'args', ...": what a file without weights holds instead
std::string key_list(const Pickle& pickle, const PickleDictionary& dictionary) {
  std::string text;
  for (std::size_t i = 0; i < dictionary.items.size() && i < 5; ++i) {
    text += (i == 0 ? "" : ", ") + describe(pickle, dictionary.items[i].first);
  }
  return text.empty() ? "nothing" : text + (dictionary.items.size() > 5 ? ", ..." : "");
}

}  // namespace

Result<std::vector<StorageReference>> storages_of(const Pickle& pickle) {
  std::map<std::string, StorageReference> storages;
  for (PickleId id = 0; id < pickle.values.size(); ++id) {
    if (!pickle.get<PicklePersistent>(id)) continue;
    RESIDUA_ASSIGN(StorageReference storage, storage_of(pickle, id));
    const auto [place, is_new] = storages.try_emplace(storage.key, storage);
    if (!is_new && (place->second.type != storage.type || place->second.elements != storage.elements)) {
      return malformed("storage " + in_quotes(storage.key) + " is once " + std::to_string(place->second.elements) +
                       " x " + std::string(name_of(place->second.type)) + ", once " + std::to_string(storage.elements) +
                       " x " + std::string(name_of(storage.type)));
    }
  }
  std::vector<StorageReference> list;
  list.reserve(storages.size());
  for (auto& [key, storage] : storages) list.push_back(std::move(storage));
  return list;
}

Result<std::vector<TensorReference>> tensors_of(const Pickle& pickle) {
  const auto* root = pickle.get<PickleDictionary>(pickle.root);
  if (!root) return malformed("the file holds " + describe(pickle, pickle.root) + ", expected a dict of tensors");
  const PickleDictionary* state = find_state(pickle, *root);
  std::vector<TensorReference> tensors;
  for (const auto& [key, value] : state->items) {
    const PickleCall* call = tensor_call(pickle, value);
    if (!call) continue;
    const auto* name = pickle.get<std::string_view>(key);
    if (!name) return malformed("a tensor's name is " + describe(pickle, key) + ", expected a text");
    RESIDUA_RETURN_IF_ERROR(check_tensor_name(*name));
    auto tensor = tensor_of(pickle, *call);
    if (!tensor) return Error{tensor.error().code, "tensor " + in_quotes(*name) + ": " + tensor.error().message};
    RESIDUA_RETURN_IF_ERROR(check_limit(Limit::tensors, tensors.size() + 1, "tensors"));
    tensor->name = std::string(*name);
    tensors.push_back(std::move(*tensor));
  }
  if (tensors.empty()) return malformed("the file holds no named tensors, but " + key_list(pickle, *state));
  return tensors;
}

}  // namespace residua::graph
