// The model files of tests/hostile, in a folder that goes in the end. None of them can be loaded.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <residua/residua.hpp>
#include <string>
#include <vector>

#include "tests/api/golden.h"
#include "tests/temporary_folder.h"

namespace residua::tests {

class HostileFiles {
 public:
  HostileFiles() {
    const std::string script = golden_path("tests/hostile/make.py");
    REQUIRE(std::system(("python3 -B '" + script + "' '" + folder_.file("cases") + "' > /dev/null").c_str()) == 0);
    for (const auto& home : std::filesystem::directory_iterator(folder_.path() / "cases"))
      for (const char* ending : {"onnx", "safetensors", "pth", "residua"}) {
        const std::filesystem::path file = home.path() / ("m." + std::string(ending));
        if (std::filesystem::exists(file) && !Model::try_load(file.string())) paths_.push_back(file.string());
      }
    REQUIRE(paths_.size() > 200);
  }
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  TemporaryFolder folder_;
  std::vector<std::string> paths_;
};

}  // namespace residua::tests
