// PyTorch's format since 1.6: a zip archive of FOLDER/data.pkl, FOLDER/data/KEY for each storage, FOLDER/byteorder.
#include <string>
#include <string_view>
#include <utility>

#include "graph/import/import.h"
#include "graph/import/name.h"
#include "graph/import/pickle.h"
#include "graph/import/pth_state.h"
#include "graph/import/pth_tensors.h"
#include "graph/import/zip_archive.h"
#include "graph/input_limits.h"

namespace residua::graph {
namespace {

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message)}; }

Status check_kind(ZipArchive& archive, const std::string& folder) {
  if (archive.holds(folder + "constants.pkl")) {
    return Error{ErrorCode::unsupported,
                 "a TorchScript archive, which holds a program; save model.state_dict() instead"};
  }
  if (!archive.holds(folder + "byteorder")) return {};  // written before it was introduced
  RESIDUA_ASSIGN(const ConstantData order, archive.read(folder + "byteorder"));
  const std::string_view text(reinterpret_cast<const char*>(order.bytes.get()), order.size);
  if (text == "little") return {};
  return Error{ErrorCode::unsupported, "the byte order is " + in_quotes(text) + ", expected 'little'"};
}

// The folder (with its slash) that data.pkl lies in.
Result<std::string> folder_of(const ZipArchive& archive) {
  static constexpr std::string_view pickle = "data.pkl";
  const std::uint64_t entries = archive.entries();
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::string_view name = archive.name(i);
    if (!name.ends_with(pickle)) continue;
    const std::string_view folder = name.substr(0, name.size() - pickle.size());
    if (folder.empty() || folder.find('/') == folder.size() - 1) return std::string(folder);
  }
  return malformed("a zip archive of " + std::to_string(entries) + " files" +
                   (entries > 0 ? ", the first " + in_quotes(archive.name(0)) : "") +
                   ", without data.pkl: no PyTorch file");
}

}  // namespace

Result<WeightFile> read_pth_zip(const FileBytes& bytes) {
  RESIDUA_ASSIGN(ZipArchive archive, ZipArchive::open(bytes));
  RESIDUA_ASSIGN(const std::string folder, folder_of(archive));
  RESIDUA_RETURN_IF_ERROR(check_kind(archive, folder));
  RESIDUA_ASSIGN(const ConstantData text, archive.read(folder + "data.pkl", Limit::pickle_bytes));
  std::size_t position = 0;
  RESIDUA_ASSIGN(const Pickle object, read_pickle(text.span(), position));
  RESIDUA_ASSIGN(const auto tensors, tensors_of(object));
  return make_tensors(tensors, [&](const StorageReference& storage) {
    // A size other than this one is make_tensors' to report.
    return archive.read(folder + "data/" + storage.key);
  });
}

}  // namespace residua::graph
