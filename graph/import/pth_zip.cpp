// PyTorch's format since 1.6: a zip archive of FOLDER/data.pkl, FOLDER/data/KEY for each storage, FOLDER/byteorder.
#include <zip.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "graph/import/import.h"
#include "graph/import/name.h"
#include "graph/import/pickle.h"
#include "graph/import/pth_state.h"
#include "graph/import/pth_tensors.h"

namespace residua::graph {
namespace {

constexpr std::uint64_t largest_pickle = 64 << 20;
// What all entries together may unpack to. PyTorch stores without compression; weights re-packed by hand rarely shrink
// to less than half, pruned ones to a tenth. An archive beyond that is made to exhaust memory.
constexpr std::uint64_t largest_expansion = 16;
constexpr std::uint64_t free_expansion = 16 << 20;

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message)}; }

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

class Archive {
 public:
  static Result<Archive> open(const FileBytes& bytes) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(bytes.data.get(), bytes.size, 0, &error);
    zip_t* archive = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
    std::string reason = archive ? "" : zip_error_strerror(&error);
    if (!archive && source) zip_source_free(source);
    zip_error_fini(&error);
    if (!archive) return malformed("the zip archive cannot be read: " + reason);
    return Archive(archive, bytes);
  }

  // The folder (with its slash) that data.pkl lies in.
  Result<std::string> folder() const {
    static constexpr std::string_view pickle = "data.pkl";
    const zip_int64_t entries = zip_get_num_entries(archive_.get(), 0);
    for (zip_int64_t i = 0; i < entries; ++i) {
      const char* raw = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
      const std::string_view name = raw ? raw : "";
      if (!name.ends_with(pickle)) continue;
      const std::string_view folder = name.substr(0, name.size() - pickle.size());
      if (folder.empty() || folder.find('/') == folder.size() - 1) return std::string(folder);
    }
    const char* first = entries > 0 ? zip_get_name(archive_.get(), 0, ZIP_FL_ENC_RAW) : nullptr;
    return malformed("a zip archive of " + std::to_string(entries) + " files" +
                     (first ? ", the first " + in_quotes(first) : "") + ", without data.pkl: no PyTorch file");
  }

  bool holds(const std::string& name) const {
    return zip_name_locate(archive_.get(), name.c_str(), ZIP_FL_ENC_RAW) >= 0;
  }

  // The whole entry, unpacked and its checksum compared; refused before any allocation where it is larger than `limit`.
  Result<ConstantData> read(const std::string& name, std::uint64_t limit) {
    const std::string entry = "zip entry " + in_quotes(name);
    const zip_int64_t index = zip_name_locate(archive_.get(), name.c_str(), ZIP_FL_ENC_RAW);
    if (index < 0) return malformed(entry + " is missing");
    zip_stat_t facts;
    zip_stat_init(&facts);
    if (zip_stat_index(archive_.get(), static_cast<zip_uint64_t>(index), 0, &facts) != 0 ||
        (facts.valid & ZIP_STAT_SIZE) == 0) {
      return malformed(entry + " has no size");
    }
    if (facts.size > limit || facts.size > budget_) {
      return Error{ErrorCode::limit, entry + " unpacks to " + std::to_string(facts.size) + " bytes, expected at most " +
                                         std::to_string(limit < budget_ ? limit : budget_)};
    }
    budget_ -= facts.size;
    const std::unique_ptr<zip_file_t, Discard> file(
        zip_fopen_index(archive_.get(), static_cast<zip_uint64_t>(index), 0));
    if (!file) return malformed(entry + ": " + zip_error_strerror(zip_get_error(archive_.get())));
    const std::shared_ptr<std::byte[]> content(new std::byte[facts.size + 1]);
    // One byte more than promised is asked for: the end has to be met, and the checksum is compared there.
    std::uint64_t filled = 0;
    zip_int64_t got = 1;
    while (got > 0 && filled <= facts.size) {
      got = zip_fread(file.get(), content.get() + filled, facts.size + 1 - filled);
      if (got > 0) filled += static_cast<std::uint64_t>(got);
    }
    if (got < 0) return malformed(entry + ": " + zip_error_strerror(zip_file_get_error(file.get())));
    if (filled != facts.size) {
      return malformed(entry + " unpacks to " + (filled > facts.size ? "more" : "less") + " than the promised " +
                       std::to_string(facts.size) + " bytes");
    }
    return ConstantData{std::shared_ptr<const std::byte>(content, content.get()), static_cast<std::size_t>(facts.size)};
  }

 private:
  Archive(zip_t* archive, const FileBytes& bytes)
      : archive_(archive),
        budget_(bytes.size > (UINT64_MAX - free_expansion) / largest_expansion
                    ? UINT64_MAX
                    : bytes.size * largest_expansion + free_expansion) {}

  std::unique_ptr<zip_t, Discard> archive_;
  std::uint64_t budget_;
};

Status check_kind(Archive& archive, const std::string& folder) {
  if (archive.holds(folder + "constants.pkl")) {
    return Error{ErrorCode::unsupported,
                 "a TorchScript archive, which holds a program; save model.state_dict() instead"};
  }
  if (!archive.holds(folder + "byteorder")) return {};  // written before it was introduced
  RESIDUA_ASSIGN(const ConstantData order, archive.read(folder + "byteorder", 16));
  const std::string_view text(reinterpret_cast<const char*>(order.bytes.get()), order.size);
  if (text == "little") return {};
  return Error{ErrorCode::unsupported, "the byte order is " + in_quotes(text) + ", expected 'little'"};
}

}  // namespace

Result<WeightFile> read_pth_zip(const FileBytes& bytes) {
  RESIDUA_ASSIGN(Archive archive, Archive::open(bytes));
  RESIDUA_ASSIGN(const std::string folder, archive.folder());
  RESIDUA_RETURN_IF_ERROR(check_kind(archive, folder));
  RESIDUA_ASSIGN(const ConstantData text, archive.read(folder + "data.pkl", largest_pickle));
  std::size_t position = 0;
  RESIDUA_ASSIGN(const Pickle object, read_pickle(text.span(), position));
  RESIDUA_ASSIGN(const auto tensors, tensors_of(object));
  return make_tensors(tensors, [&](const StorageReference& storage) {
    // A size other than this one is make_tensors' to report.
    return archive.read(folder + "data/" + storage.key, UINT64_MAX);
  });
}

}  // namespace residua::graph
