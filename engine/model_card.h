// What a network's file says about its images and classes.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/import/import.h"
#include "kernels/image/resize.h"

namespace residua::engine {

// Images beyond this many pixels a side are refused, so that sizes of tensors stay far from what 64 bits hold.
inline constexpr std::int64_t largest_image_side = 1 << 15;

// The preset is ImageNet's evaluation: shorter side to 256, centre crop of 224, the training set's mean and deviation.
struct ModelCard {
  std::string architecture;
  std::vector<std::string> labels;  // empty: none
  std::int64_t input_height = 224;
  std::int64_t input_width = 224;
  std::int64_t resize = 256;  // shorter side before the crop
  kernels::Interpolation interpolation = kernels::Interpolation::bilinear;
  float mean[3] = {0.485f, 0.456f, 0.406f};
  float standard_deviation[3] = {0.229f, 0.224f, 0.225f};
};

class Json;

struct CardSources {
  std::filesystem::path model;                        // the model file; its sidecar is model + ".json". Empty: neither
  std::filesystem::path labels;                       // given by the caller; empty: none
  std::optional<std::string> sidecar = std::nullopt;  // given by the caller, in place of the file
  // The sidecar as it was read by whatever asked for it first. A load asks several times, on one thread.
  mutable std::shared_ptr<const Json> parsed_sidecar = nullptr;
};

// Gathers the card. What is said earlier wins: the caller's labels, the sidecar, the file's metadata, the preset of the
// architecture (or of the graph's own input size). A key with a value that makes no sense is an error naming its
// source.
graph::Result<ModelCard> read_model_card(const graph::ImportedModel& imported, const CardSources& sources);

// The card as metadata that reads back as the same card. Labels that are no UTF-8 lose what is not.
std::map<std::string, std::string> metadata_of(const ModelCard& card);

// A text that the sidecar holds, "" where there is none: what a load must know before the file is imported.
graph::Result<std::string> sidecar_text(const CardSources& sources, const std::string& key);

// A file of at most sidecar_bytes.
graph::Result<std::string> read_small_text(const std::filesystem::path& path);

// One label a line; of tab-separated columns the last. Empty lines at the end do not count.
graph::Result<std::vector<std::string>> read_labels(const std::filesystem::path& path);

}  // namespace residua::engine
