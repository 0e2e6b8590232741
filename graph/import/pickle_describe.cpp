#include "graph/import/name.h"
#include "graph/import/pickle.h"

namespace residua::graph {

std::string describe(const Pickle& pickle, PickleId id) {
  struct Describe {
    std::string operator()(PickleNone) const { return "None"; }
    std::string operator()(bool) const { return "a boolean"; }
    std::string operator()(std::int64_t value) const { return "the integer " + std::to_string(value); }
    std::string operator()(double) const { return "a number"; }
    std::string operator()(PickleLong) const { return "an integer beyond 64 bits"; }
    std::string operator()(std::string_view text) const { return "the text " + in_quotes(text); }
    std::string operator()(PickleBytes) const { return "bytes"; }
    std::string operator()(const PickleTuple&) const { return "a tuple"; }
    std::string operator()(const PickleList&) const { return "a list"; }
    std::string operator()(const PickleDictionary&) const { return "a dict"; }
    std::string operator()(const PickleGlobal* global) const { return "the global " + in_quotes(global->name); }
    std::string operator()(PickleCall call) const { return "an object of " + in_quotes(call.function->name); }
    std::string operator()(PicklePersistent) const { return "a storage"; }
  };
  return std::visit(Describe{}, pickle.values[id]);
}

}  // namespace residua::graph
