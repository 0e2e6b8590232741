// residua classify: what is in these images?

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/image/image.h"
#include "tools/image_paths.h"
#include "tools/image_queue.h"
#include "tools/model_file.h"
#include "tools/options.h"
#include "tools/output_file.h"
#include "tools/progress.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

struct ClassifyOptions {
  std::string model;  // empty: the bundled one
  std::string labels;
  std::string output;  // empty: standard output
  std::vector<std::string> paths;
  std::int32_t top = 5;
  int threads = 0;
  int batch = 8;
  bool json = false;
  bool cache = false;
};

struct Guess {
  std::int32_t index;
  float probability;
};

// Writes the outcome of one image after another, in whichever form was asked for.
class ResultWriter {
 public:
  ResultWriter(const Model& model, OutputFile& output, bool json)
      : model_(model), output_(output), json_(json), blocks_(locale_is_utf8()) {}

  void write(const std::string& path, const std::vector<Guess>& guesses) {
    if (json_) {
      nlohmann::ordered_json top = nlohmann::ordered_json::array();
      for (const Guess& guess : guesses) {
        const auto label = model_.label(guess.index);
        top.push_back({{"index", guess.index},
                       {"label", label ? nlohmann::ordered_json(*label) : nlohmann::ordered_json(nullptr)},
                       {"probability", as_written(guess.probability)}});
      }
      write_line({{"path", path}, {"top", std::move(top)}});
      return;
    }
    std::string text = (first_ ? "" : "\n") + printable(path) + "\n";
    for (const Guess& guess : guesses) {
      const auto label = model_.label(guess.index);
      const double share = static_cast<double>(guess.probability);
      const std::string percent = fixed(100 * share, 1);
      text += std::string(7 - std::min<std::size_t>(percent.size(), 7), ' ') + percent + " %  " +
              bar(share, bar_width, blocks_) + "  " +
              (label ? printable(*label) : "class " + std::to_string(guess.index)) + "\n";
    }
    first_ = false;
    output_.write(text);
  }

  // The table leaves failures to standard error, where they are named in any case.
  void write_failure(const std::string& path, const std::string& error) {
    if (json_) write_line({{"path", path}, {"error", error}});
  }

 private:
  static constexpr int bar_width = 24;

  void write_line(const nlohmann::ordered_json& entry) {
    // Paths may hold any bytes; JSON may not.
    output_.write(entry.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }

  const Model& model_;
  OutputFile& output_;
  const bool json_;
  const bool blocks_;
  bool first_ = true;
};

std::vector<std::uint8_t> prepare_image(const Model& model, const ImageInput& input) {
  if (!input.error.empty()) throw ImageError(input.error);
  const Image image = read_image(input.path);
  return model.preprocess(image.rgb, image.width, image.height);
}

// Runs prepared images in batches.
class Classifier {
 public:
  Classifier(const Model& model, const ClassifyOptions& options)
      : info_(model.info()),
        context_(model, {.threads = options.threads}),
        classes_(static_cast<std::size_t>(info_.classes)),
        top_(static_cast<std::size_t>(std::min(options.top, info_.classes))) {}

  // The guesses for each image, best first; `pixels`: [batch, input_height, input_width, 3]. The images have the
  // model's own size, so a failure here is the model's.
  std::vector<std::vector<Guess>> run(const std::vector<std::uint8_t>& pixels, std::size_t batch) {
    std::vector<float> outputs(batch * classes_);
    try {
      context_.run(std::span<const std::uint8_t>(pixels), {.batch = static_cast<std::int32_t>(batch)}, outputs);
    } catch (const Error& error) {
      throw ModelError(std::string("the model cannot be run: ") + error.what());
    }
    if (info_.outputs_are_probabilities == 0) softmax(outputs, classes_);
    std::vector<std::vector<Guess>> guesses(batch);
    for (std::size_t i = 0; i < batch; ++i) {
      const auto row = std::span<const float>(outputs).subspan(i * classes_, classes_);
      for (const std::int32_t index : top_k(row, top_)) {
        guesses[i].push_back({index, row[static_cast<std::size_t>(index)]});
      }
    }
    return guesses;
  }

 private:
  ModelInfo info_;
  Context context_;
  std::size_t classes_;
  std::size_t top_;
};

// Decoding ahead of a handful of threads' inference; more would only take its cores away.
std::size_t decoding_threads(int threads) {
  const unsigned available = std::max(1U, std::thread::hardware_concurrency());
  const unsigned allowed = threads > 0 ? std::min(available, static_cast<unsigned>(threads)) : available;
  return std::min(allowed, 4U);
}

// Classifies everything, in order. Returns whether every image could be.
bool classify_all(const Model& model, const std::vector<ImageInput>& images, const ClassifyOptions& options,
                  OutputFile& output) {
  Classifier classifier(model, options);
  ResultWriter writer(model, output, options.json);
  Progress progress(images.size());
  const auto batch = static_cast<std::size_t>(options.batch);
  const std::size_t workers = decoding_threads(options.threads);
  ImageQueue queue(
      images.size(), [&](std::size_t index) { return prepare_image(model, images[index]); }, workers,
      batch + 2 * workers);

  bool all_done = true;
  for (std::size_t first = 0; first < images.size();) {
    // One batch: the images up to `end`, of which those that failed have no pixels.
    std::vector<std::string> errors;
    std::vector<std::uint8_t> pixels;
    std::size_t good = 0;
    std::size_t end = first;
    for (; good < batch && end < images.size(); ++end) {
      std::optional<PreparedImage> image = queue.next();
      errors.push_back(std::move(image->error));
      if (!errors.back().empty()) continue;
      pixels.insert(pixels.end(), image->pixels.begin(), image->pixels.end());
      ++good;
    }
    const std::vector<std::vector<Guess>> guesses =
        good > 0 ? classifier.run(pixels, good) : std::vector<std::vector<Guess>>{};

    const bool share_terminal = output.is_terminal();
    if (share_terminal) progress.erase();
    std::size_t next_good = 0;
    for (std::size_t i = first; i < end; ++i) {
      const std::string& error = errors[i - first];
      if (error.empty()) {
        writer.write(images[i].path, guesses[next_good++]);
        continue;
      }
      all_done = false;
      progress.erase();
      complain(images[i].path + ": " + error);
      writer.write_failure(images[i].path, error);
    }
    output.flush();
    first = end;
    progress.update(end);
  }
  return all_done;
}

int classify(const ClassifyOptions& options) {
  const bool bundled = options.model.empty();
  const Model model =
      open_model(bundled ? bundled_model() : options.model, {.labels = options.labels, .cache = options.cache});
  if (const ModelInfo info = model.info(); info.channels != 3 || info.classes < 1) {
    throw ModelError("the model takes images of " + std::to_string(info.channels) + " channels and gives " +
                     std::to_string(info.classes) + " classes: 3 channels and at least 1 class expected");
  }
  if (bundled && isatty(STDERR_FILENO) == 1) {
    complain("no --model given: using the demonstration model, which knows ten kinds of things (" + [&] {
      std::string names;
      for (std::int32_t i = 0; const auto label = model.label(i); ++i)
        names += (i > 0 ? ", " : "") + std::string(*label);
      return names;
    }() + ")");
  }
  OutputFile output = options.output.empty() ? OutputFile::standard_output() : OutputFile(options.output);
  const std::vector<ImageInput> images = collect_images(options.paths, std::cin);
  const bool all_done = classify_all(model, images, options, output);
  output.finish();
  return all_done ? all_well : some_inputs_failed;
}

}  // namespace

Command add_classify(CLI::App& app) {
  const auto options = std::make_shared<ClassifyOptions>();
  CLI::App* parser = app.add_subcommand(
      "classify", "Say what is in images: the most probable classes of each, in the order given. JPEG, PNG and WebP.");
  add_model_option(*parser, options->model, false)
      ->description(
          "Model file: .onnx, .safetensors, or a .pth state dict (told by content) "
          "[default: the demonstration model that comes with Residua]");
  parser
      ->add_option("-l,--labels", options->labels,
                   "Names of the classes, one a line, or tab-separated with the name last")
      ->type_name("FILE");
  parser->add_option("-k,--top", options->top, "How many classes to show for each image")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("K")
      ->capture_default_str();
  add_cache_option(*parser, options->cache);
  add_threads_option(*parser, options->threads);
  add_batch_option(*parser, options->batch, "Images to run at once, where there are as many");
  parser->add_flag("-j,--json", options->json, "One JSON object a line for each image, in place of a table");
  parser
      ->add_option("-o,--output", options->output,
                   "Write the results to FILE, whole or not at all [default: standard output]")
      ->type_name("FILE");
  parser
      ->add_option("PATH", options->paths,
                   "An image; a folder, for the images in it at any depth; or - for a list of paths on standard input")
      ->required()
      ->type_name("");
  parser->footer(
      "Examples:\n"
      "  residua classify photo.jpg\n"
      "  residua classify --model resnet50.onnx --top 3 holiday/ portrait.png\n"
      "  find /data -name '*.jpg' | residua classify --model resnet18.pth --labels imagenet.tsv --json -\n"
      "\n"
      "JSON: {\"path\": \"...\", \"top\": [{\"index\": 281, \"label\": \"tabby\", \"probability\": 0.61}, ...]}; label "
      "is null\n"
      "where the model has none; {\"path\": \"...\", \"error\": \"...\"} for an image that failed. Failures are named "
      "on\n"
      "standard error too, the other images are done, and the exit code is 1. Links to folders inside a folder are\n"
      "not followed.");
  return {parser, [options] { return classify(*options); }};
}

}  // namespace residua::tool
