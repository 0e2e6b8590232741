#include "graph/import/name.h"

#include <algorithm>

#include "graph/input_limits.h"

namespace residua::graph {
namespace {

constexpr std::size_t longest_quote = 120;

bool is_printable(char character) { return character >= 0x20 && character < 0x7f; }

}  // namespace

std::string in_quotes(std::string_view name) {
  std::string text = "'";
  for (const char character : name.substr(0, longest_quote)) text += is_printable(character) ? character : '?';
  return text + (name.size() > longest_quote ? "...'" : "'");
}

Status check_tensor_name(std::string_view name) {
  if (name.empty()) return Error{ErrorCode::malformed, "a tensor has an empty name"};
  RESIDUA_RETURN_IF_ERROR(
      check_limit(Limit::name_bytes, name.size(), "the tensor name " + in_quotes(name) + ": bytes"));
  if (!std::all_of(name.begin(), name.end(), is_printable)) {
    return Error{ErrorCode::malformed,
                 "the tensor name " + in_quotes(name) + " holds characters other than printable ASCII"};
  }
  return {};
}

}  // namespace residua::graph
