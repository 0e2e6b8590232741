#include "engine/json_reading.h"

#include <algorithm>
#include <cstdint>

namespace residua::engine {
namespace {

using nlohmann::json;

// Goes over a text without building anything, and stops where it nests too deep.
class DepthMeter : public nlohmann::json_sax<json> {
 public:
  bool is_too_deep() const { return depth_ > graph::value_of(graph::Limit::json_depth); }

  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool boolean(bool) override { return true; }
  bool null() override { return true; }
  bool binary(binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

 private:
  bool enter() {
    ++depth_;
    return !is_too_deep();
  }
  bool leave() {
    --depth_;
    return true;
  }
  std::uint64_t depth_ = 0;
};

}  // namespace

graph::Result<json> read_json(std::string_view text, graph::Limit size, const std::string& where) {
  RESIDUA_RETURN_IF_ERROR(graph::check_limit(size, text.size(), where + ": bytes"));
  DepthMeter meter;
  if (!json::sax_parse(text.begin(), text.end(), &meter)) {
    if (meter.is_too_deep())
      return graph::over_limit(graph::Limit::json_depth, graph::value_of(graph::Limit::json_depth) + 1,
                               where + ": lists and objects within each other");
    return graph::Error{graph::ErrorCode::malformed, where + ": not valid JSON"};
  }
  return json::parse(text, nullptr, false);
}

}  // namespace residua::engine
