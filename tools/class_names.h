// Which class of a model a name means.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "residua/residua.hpp"

namespace residua::tool {

// The labels of a model, one a class, empty where a class has none.
std::vector<std::string> labels_of(const Model& model);

// The classes that `name` means; blanks may be underscores, as in folders' names. Of four ways to mean one, the first
// by which there is any:
//   the whole label, letter by letter: "cardigan", a jacket
//   the whole label, letters large or small: "Cardigan", a dog, as well
//   a label that lists it between commas, letter by letter: "tabby" of "tabby, tabby cat"
//   the same, large or small
std::vector<std::int32_t> classes_called(const std::vector<std::string>& labels, std::string_view name);

// Why classes_called() found not one class: "no class is called 'unicorn'", or
// "2 classes are called 'crane': 134 (crane, a bird), 517 (crane, a machine)".
std::string not_one_class(const std::vector<std::string>& labels, const std::vector<std::int32_t>& found,
                          std::string_view name);

}  // namespace residua::tool
