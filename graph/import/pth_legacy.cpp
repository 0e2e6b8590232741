// PyTorch's format before 1.6 (and of _use_new_zipfile_serialization=False): pickles of a magic number, the protocol,
// facts about the writer, the object and the storages' keys, then the storages, each as an int64 count and its
// elements.
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "graph/import/import.h"
#include "graph/import/name.h"
#include "graph/import/pickle.h"
#include "graph/import/pth_state.h"
#include "graph/import/pth_tensors.h"

namespace residua::graph {
namespace {

// 0x1950a86a20f9469cfc6c, as a pickle holds it
constexpr std::string_view magic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::int64_t protocol_version = 1001;

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message)}; }

Status check_preamble(std::span<const std::byte> bytes, std::size_t& position) {
  RESIDUA_ASSIGN(const Pickle first, read_pickle(bytes, position));
  const auto* number = first.get<PickleLong>(first.root);
  if (!number || number->bytes != magic) return malformed("PyTorch's magic number is missing at the start");

  RESIDUA_ASSIGN(const Pickle second, read_pickle(bytes, position));
  const auto* version = second.get<std::int64_t>(second.root);
  if (!version || *version != protocol_version) {
    return Error{ErrorCode::unsupported,
                 "the PyTorch protocol is " + describe(second, second.root) + ", expected 1001"};
  }

  RESIDUA_ASSIGN(const Pickle writer, read_pickle(bytes, position));
  const auto* facts = writer.get<PickleDictionary>(writer.root);
  if (!facts) return malformed("the facts about the writer are " + describe(writer, writer.root) + ", expected a dict");
  for (const auto& [key, value] : facts->items) {
    const auto* name = writer.get<std::string_view>(key);
    const auto* flag = writer.get<bool>(value);
    if (name && *name == "little_endian" && (!flag || !*flag)) {
      return Error{ErrorCode::unsupported, "it was written on a big-endian machine"};
    }
  }
  return {};
}

// Where each storage's bytes lie. All have to be walked over: the count in front of one leads to the next.
Result<std::map<std::string, ConstantData>> locate_storages(const FileBytes& bytes, std::size_t position,
                                                            const std::vector<StorageReference>& known) {
  std::map<std::string, const StorageReference*> by_key;
  for (const StorageReference& storage : known) by_key.emplace(storage.key, &storage);

  RESIDUA_ASSIGN(const Pickle keys, read_pickle(bytes.span(), position));
  const auto* list = keys.get<PickleList>(keys.root);
  if (!list) return malformed("the storages' keys are " + describe(keys, keys.root) + ", expected a list");
  std::map<std::string, ConstantData> located;
  for (const PickleId id : list->items) {
    const auto* key = keys.get<std::string_view>(id);
    if (!key) return malformed("a storage's key is " + describe(keys, id) + ", expected a text");
    const auto found = by_key.find(std::string(*key));
    if (found == by_key.end()) return malformed("storage " + in_quotes(*key) + " belongs to no tensor");
    const StorageReference& storage = *found->second;
    const std::string where = "storage " + in_quotes(*key) + " at byte " + std::to_string(position);

    std::int64_t count = 0;
    if (bytes.size - position < sizeof(count)) return malformed(where + ": the file ends before its size");
    std::memcpy(&count, bytes.data.get() + position, sizeof(count));
    position += sizeof(count);
    if (count != storage.elements) {
      return malformed(where + " has " + std::to_string(count) + " elements, expected " +
                       std::to_string(storage.elements));
    }
    const auto size = static_cast<std::size_t>(count) * size_of(storage.type);
    if (size > bytes.size - position) {
      return malformed(where + " needs " + std::to_string(size) + " bytes, " + std::to_string(bytes.size - position) +
                       " are left in the file");
    }
    if (!located.emplace(storage.key, bytes.piece(position, size)).second)
      return malformed(where + " stands there twice");
    position += size;
  }
  return located;
}

}  // namespace

Result<WeightFile> read_pth_legacy(const FileBytes& bytes) {
  std::size_t position = 0;
  RESIDUA_RETURN_IF_ERROR(check_preamble(bytes.span(), position));
  RESIDUA_ASSIGN(const Pickle object, read_pickle(bytes.span(), position));
  RESIDUA_ASSIGN(const auto tensors, tensors_of(object));
  RESIDUA_ASSIGN(const auto storages, storages_of(object));
  RESIDUA_ASSIGN(const auto located, locate_storages(bytes, position, storages));
  return make_tensors(tensors, [&located](const StorageReference& storage) -> Result<ConstantData> {
    const auto found = located.find(storage.key);
    if (found == located.end()) return malformed("storage " + in_quotes(storage.key) + " is not in the file");
    return found->second;
  });
}

}  // namespace residua::graph
