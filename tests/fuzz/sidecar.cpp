// Sidecars: the input up to the first zero byte. What follows are values of a model's own metadata.
#include "engine/model_card.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  std::string_view rest = fuzz::text_of(data, size);
  const auto take = [&rest] {
    const std::string_view part = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    return std::string(part);
  };
  const engine::CardSources sources{.model = {}, .labels = {}, .sidecar = take()};
  static_cast<void>(engine::sidecar_text(sources, "arch"));
  const auto network = graph::parse_text(
      "graph \"g\"\ninput %0 \"x\" float32 [N, 3, ?, ?]\nnode %1 \"y\" float32 [N, 3, ?, ?] = relu(%0)\noutput %1\n");
  graph::ImportedModel model{.graph = *network, .format = "onnx", .architecture = "", .metadata = {}};
  for (const char* key : {"mean", "std", "input_size", "resize", "labels", "interpolation"})
    model.metadata[key] = take();
  for (auto entry = model.metadata.begin(); entry != model.metadata.end();)
    entry = entry->second.empty() ? model.metadata.erase(entry) : std::next(entry);
  const auto card = engine::read_model_card(model, sources);
  if (!card) return 0;
  const auto within = [](std::int64_t side) { return side >= 1 && side <= engine::largest_image_side; };
  fuzz::require(within(card->input_height) && within(card->input_width) && within(card->resize), "sides");
  for (const float deviation : card->standard_deviation) fuzz::require(deviation > 0, "deviation");
  // What a packed file would keep means the same.
  model.metadata = engine::metadata_of(*card);
  const auto again = engine::read_model_card(model, {});
  fuzz::require(again.ok() && again->input_height == card->input_height && again->resize == card->resize, "kept card");
  return 0;
}
