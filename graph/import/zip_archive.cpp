#include "graph/import/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "graph/import/name.h"

namespace residua::graph {
namespace {

constexpr std::uint64_t free_expansion = 16 << 20;  // unpacked bytes that zip_ratio does not count
constexpr std::uint64_t piece_size = 64 << 10;      // of a stored entry, looked at at a time

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message)}; }

// What libzip could not do. Where it lacked memory, that says nothing of the file.
Error failure(const std::string& what, zip_error_t* error) {
  constexpr int no_memory_in_zlib = -4;
  const int code = zip_error_code_zip(error);
  if (code == ZIP_ER_MEMORY || (code == ZIP_ER_ZLIB && zip_error_code_system(error) == no_memory_in_zlib))
    return {ErrorCode::out_of_memory, what + ": out of memory"};
  return malformed(what + ": " + zip_error_strerror(error));
}

// The file's bytes for libzip, which remembers where it was read last: so it comes out where an entry lies.
struct Source {
  FileBytes bytes;
  std::uint64_t position = 0;
  std::uint64_t last_read = 0;
  zip_error_t error{};

  zip_int64_t read(void* to, std::uint64_t length) {
    const std::uint64_t count = std::min<std::uint64_t>(length, bytes.size - position);
    if (count > 0) std::memcpy(to, bytes.data.get() + position, count);
    last_read = position;
    position += count;
    return static_cast<zip_int64_t>(count);
  }

  zip_int64_t seek(void* data, std::uint64_t length) {
    const zip_int64_t to = zip_source_seek_compute_offset(position, bytes.size, data, length, &error);
    if (to < 0) return -1;
    position = static_cast<std::uint64_t>(to);
    return 0;
  }

  zip_int64_t stat(void* data, std::uint64_t length) {
    if (length < sizeof(zip_stat_t)) return -1;
    zip_stat_t facts;
    zip_stat_init(&facts);
    facts.size = bytes.size;
    facts.valid = ZIP_STAT_SIZE;
    std::memcpy(data, &facts, sizeof facts);
    return sizeof facts;
  }

  static zip_int64_t call(void* self, void* data, zip_uint64_t length, zip_source_cmd_t command) {
    Source& source = *static_cast<Source*>(self);
    switch (command) {
      case ZIP_SOURCE_OPEN:
        source.position = 0;
        return 0;
      case ZIP_SOURCE_READ:
        return source.read(data, length);
      case ZIP_SOURCE_CLOSE:
      case ZIP_SOURCE_FREE:
        return 0;
      case ZIP_SOURCE_STAT:
        return source.stat(data, length);
      case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&source.error, data, length);
      case ZIP_SOURCE_SEEK:
        return source.seek(data, length);
      case ZIP_SOURCE_TELL:
        return static_cast<zip_int64_t>(source.position);
      case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                              ZIP_SOURCE_ERROR, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS,
                                              ZIP_SOURCE_FREE, -1);
      default:
        zip_error_set(&source.error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
  }
};

struct Close {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using OpenEntry = std::unique_ptr<zip_file_t, Close>;

}  // namespace

struct ZipArchive::Handle {
  Source source;  // outlives the archive, which reads it
  std::unique_ptr<zip_t, Close> archive;
  std::uint64_t unpacked = 0;  // by all entries read so far

  Result<OpenEntry> open_entry(zip_uint64_t index, const std::string& what) const {
    OpenEntry file(zip_fopen_index(archive.get(), index, 0));
    if (!file) return failure(what, zip_get_error(archive.get()));
    return file;
  }

  // Whether the entry, as libzip unpacks it, lies in the file as it is; then `offset` says where. libzip compares the
  // checksum at the end.
  Result<bool> find_in_file(const zip_stat_t& facts, const std::string& what, std::uint64_t& offset) {
    RESIDUA_ASSIGN(const OpenEntry file, open_entry(facts.index, what));
    std::vector<std::byte> piece(piece_size);
    std::uint64_t found = 0;
    while (true) {
      const zip_int64_t got = zip_fread(file.get(), piece.data(), piece.size());
      if (got < 0) return failure(what, zip_file_get_error(file.get()));
      if (found == 0) offset = source.last_read;
      if (got == 0) return found == facts.size;
      const auto count = static_cast<std::uint64_t>(got);
      if (offset + found > source.bytes.size || count > source.bytes.size - offset - found ||
          std::memcmp(source.bytes.data.get() + offset + found, piece.data(), count) != 0) {
        return false;
      }
      found += count;
    }
  }

  Result<ConstantData> copy(const zip_stat_t& facts, const std::string& what) const {
    RESIDUA_ASSIGN(const OpenEntry file, open_entry(facts.index, what));
    const std::shared_ptr<std::byte[]> content(new std::byte[facts.size + 1]);
    // One byte more than promised is asked for: the end has to be met, and the checksum is compared there.
    std::uint64_t filled = 0;
    zip_int64_t got = 1;
    while (got > 0 && filled <= facts.size) {
      got = zip_fread(file.get(), content.get() + filled, facts.size + 1 - filled);
      if (got > 0) filled += static_cast<std::uint64_t>(got);
    }
    if (got < 0) return failure(what, zip_file_get_error(file.get()));
    if (filled != facts.size) {
      return malformed(what + " unpacks to " + (filled > facts.size ? "more" : "less") + " than the promised " +
                       std::to_string(facts.size) + " bytes");
    }
    return ConstantData{std::shared_ptr<const std::byte>(content, content.get()), static_cast<std::size_t>(facts.size)};
  }
};

ZipArchive::ZipArchive(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
ZipArchive::ZipArchive(ZipArchive&&) noexcept = default;
ZipArchive::~ZipArchive() = default;

Result<ZipArchive> ZipArchive::open(const FileBytes& bytes) {
  auto handle = std::make_unique<Handle>();
  handle->source.bytes = bytes;
  struct OpenError : zip_error_t {
    OpenError() { zip_error_init(this); }
    ~OpenError() { zip_error_fini(this); }
  } error;
  const auto look = [&] {
    std::unique_ptr<zip_source_t, Close> source(zip_source_function_create(Source::call, &handle->source, &error));
    if (source) handle->archive.reset(zip_open_from_source(source.get(), ZIP_RDONLY, &error));
    if (handle->archive) static_cast<void>(source.release());  // the archive's now
  };
  look();
  // Where libzip lacks memory to read the directory, it says that there is none: a second look tells the two apart. (If
  // memory is still lacking, there is none for the text of an error either.)
  if (!handle->archive && zip_error_code_zip(&error) == ZIP_ER_NOZIP) look();
  if (!handle->archive) return failure("the zip archive cannot be read", &error);
  const zip_int64_t entries = zip_get_num_entries(handle->archive.get(), 0);
  RESIDUA_RETURN_IF_ERROR(
      check_limit(Limit::zip_entries, static_cast<std::uint64_t>(std::max<zip_int64_t>(entries, 0)), "zip entries"));
  return ZipArchive(std::move(handle));
}

std::uint64_t ZipArchive::entries() const {
  return static_cast<std::uint64_t>(std::max<zip_int64_t>(zip_get_num_entries(handle_->archive.get(), 0), 0));
}

std::string_view ZipArchive::name(std::uint64_t index) const {
  const char* raw = zip_get_name(handle_->archive.get(), index, ZIP_FL_ENC_RAW);
  return raw ? raw : "";
}

bool ZipArchive::holds(const std::string& name) const {
  return zip_name_locate(handle_->archive.get(), name.c_str(), ZIP_FL_ENC_RAW) >= 0;
}

Result<ConstantData> ZipArchive::read(const std::string& name, Limit limit) {
  const std::string entry = "zip entry " + in_quotes(name);
  zip_t* archive = handle_->archive.get();
  const zip_int64_t index = zip_name_locate(archive, name.c_str(), ZIP_FL_ENC_RAW);
  if (index < 0) return malformed(entry + " is missing");
  zip_stat_t facts;
  zip_stat_init(&facts);
  if (zip_stat_index(archive, static_cast<zip_uint64_t>(index), 0, &facts) != 0 || (facts.valid & ZIP_STAT_SIZE) == 0) {
    return malformed(entry + " has no size");
  }
  facts.index = static_cast<zip_uint64_t>(index);
  RESIDUA_RETURN_IF_ERROR(check_limit(limit, facts.size, entry + ": bytes"));
  std::uint64_t& unpacked = handle_->unpacked;
  unpacked = saturating_sum(unpacked, facts.size);
  RESIDUA_RETURN_IF_ERROR(
      check_ratio(Limit::zip_ratio, unpacked, free_expansion, handle_->source.bytes.size,
                  entry + ": with what was read before it, unpacked bytes for each byte of the file"));
  const bool is_stored = (facts.valid & ZIP_STAT_COMP_METHOD) != 0 && facts.comp_method == ZIP_CM_STORE;
  if (is_stored && facts.size > 0) {
    std::uint64_t offset = 0;
    RESIDUA_ASSIGN(const bool found, handle_->find_in_file(facts, entry, offset));
    if (found) return handle_->source.bytes.piece(offset, facts.size);
  }
  return handle_->copy(facts, entry);
}

}  // namespace residua::graph
