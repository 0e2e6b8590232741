#include "engine/build_identity.h"

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstring>
#include <string_view>

#include "engine/environment.h"
#include "engine/version.h"

namespace residua::engine {
namespace {

std::string hexadecimal(const unsigned char* bytes, std::size_t size) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
  return text;
}

// The build id among the notes at `address`; "" where there is none.
std::string build_id_in(const char* address, std::size_t size) {
  constexpr std::size_t alignment = 4;
  const auto rounded = [](std::size_t value) { return (value + alignment - 1) / alignment * alignment; };
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, address, sizeof note);
    const std::size_t name = sizeof note, content = name + rounded(note.n_namesz);
    const std::size_t end = content + rounded(note.n_descsz);
    if (end > size) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(address + name, "GNU", 4) == 0)
      return hexadecimal(reinterpret_cast<const unsigned char*>(address + content), note.n_descsz);
    address += end;
    size -= end;
  }
  return "";
}

struct Search {
  const char* code;  // within the object that is looked for
  std::string found;
};

ElfW(Addr) address_of(const char* pointer) { return reinterpret_cast<ElfW(Addr)>(pointer); }

int visit(dl_phdr_info* object, std::size_t, void* data) {
  Search& search = *static_cast<Search*>(data);
  bool inside = false;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    const ElfW(Addr) begin = object->dlpi_addr + segment.p_vaddr;
    inside = inside || (segment.p_type == PT_LOAD && address_of(search.code) >= begin &&
                        address_of(search.code) - begin < segment.p_memsz);
  }
  if (!inside) return 0;
  for (int i = 0; i < object->dlpi_phnum && search.found.empty(); ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type == PT_NOTE)
      search.found = build_id_in(
          search.code + static_cast<std::ptrdiff_t>(object->dlpi_addr + segment.p_vaddr - address_of(search.code)),
          segment.p_memsz);
  }
  return 1;
}

}  // namespace

const std::string& build_identity() {
  static const std::string identity = [] {
    Search search{reinterpret_cast<const char*>(&build_identity), ""};
    dl_iterate_phdr(visit, &search);
    return std::string(RESIDUA_VERSION " ") + (search.found.empty() ? RESIDUA_COMPILER : search.found) + " " +
           std::string(name_of(kernel_table().instruction_set));
  }();
  return identity;
}

}  // namespace residua::engine
