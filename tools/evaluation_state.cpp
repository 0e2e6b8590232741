#include "tools/evaluation_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "tools/command.h"
#include "tools/output_file.h"
#include "tools/report.h"
#include "tools/sha256.h"

namespace residua::tool {
namespace {

using nlohmann::ordered_json;

constexpr int format_version = 2;

std::string header_of(const EvaluationIdentity& identity) {
  return ordered_json{{"residua_evaluation", format_version},
                      {"model", identity.model},
                      {"preprocessing", identity.preprocessing},
                      {"images", identity.images}}
             .dump() +
         "\n";
}

ordered_json line_of(const Judgement& judgement) {
  ordered_json guesses = ordered_json::array();
  for (const Guess& guess : judgement.guesses) guesses.push_back({guess.index, as_written(guess.probability)});
  return {{"image", judgement.image},
          {"bytes", judgement.bytes},
          {"truth", judgement.truth},
          {"rank", judgement.rank},
          {"probability", as_written(judgement.probability)},
          {"guesses", std::move(guesses)}};
}

// NaN is written as null.
float probability_of(const ordered_json& value) {
  return value.is_null() ? std::numeric_limits<float>::quiet_NaN() : value.get<float>();
}

// Throws ordered_json::exception where something is not there or of another type.
Judgement judgement_of(const ordered_json& line) {
  Judgement judgement{.image = line.at("image").get<std::size_t>(),
                      .truth = line.at("truth").get<std::int32_t>(),
                      .rank = line.at("rank").get<std::size_t>(),
                      .probability = probability_of(line.at("probability")),
                      .bytes = line.at("bytes").get<std::uint64_t>()};
  for (const ordered_json& guess : line.at("guesses"))
    judgement.guesses.push_back({guess.at(0).get<std::int32_t>(), probability_of(guess.at(1))});
  return judgement;
}

// Why the header of another evaluation is not ours.
std::string difference(const std::string& found, const EvaluationIdentity& ours) {
  const ordered_json header = ordered_json::parse(found, nullptr, false);
  if (!header.is_object() || header.value("residua_evaluation", ordered_json()) != format_version)
    return "is no state of an evaluation (of this version): its first line is another";
  const auto differs = [&](const char* key, const std::string& expected) {
    return header.value(key, ordered_json()) != expected;
  };
  if (differs("model", ours.model))
    return "is the state of another model (its weights or what is done with them differ)";
  if (differs("preprocessing", ours.preprocessing)) return "is the state of a model that prepares images otherwise";
  return "is the state of other images, or of other classes for them";
}

}  // namespace

EvaluationIdentity identity_of(const Model& model, const LabelledImages& set) {
  const ModelInfo info = model.info();
  const auto three = [](const float(&values)[3]) {
    return ordered_json{as_written(values[0]), as_written(values[1]), as_written(values[2])};
  };
  const ordered_json preprocessing = {{"input_size", {info.input_height, info.input_width}},
                                      {"resize", info.resize},
                                      {"interpolation", static_cast<int>(info.interpolation)},
                                      {"mean", three(info.mean)},
                                      {"std", three(info.standard_deviation)}};
  Sha256 network;
  network.add(model.describe(RESIDUA_OPTIMIZED));
  return {network.finish(), preprocessing.dump(), digest_of(set)};
}

void EvaluationState::fail(const char* what) const {
  throw OutputError(path_ + ": " + what + ": " + std::generic_category().message(errno));
}

EvaluationState::EvaluationState(const std::string& path, const EvaluationIdentity& identity, const LabelledImages& set)
    : path_(path), descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666)) {
  if (descriptor_ < 0) fail("cannot be opened");
  try {
    struct stat facts {};
    if (fstat(descriptor_, &facts) != 0) fail("cannot be examined");
    if (!S_ISREG(facts.st_mode)) throw UsageError("--resume: " + path_ + " is no regular file");
    if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      throw UsageError("--resume: " + path_ + " is in use by another evaluation");
    const std::string header = header_of(identity);
    const std::string text = read_all();
    const std::size_t line_end = text.find('\n');
    // Of a run that was ended while it wrote the first line, there is the beginning of that.
    if (line_end == std::string::npos && header.starts_with(text)) {
      if (ftruncate(descriptor_, 0) != 0) fail("cannot be written");
      if (write(descriptor_, header.data(), header.size()) != static_cast<ssize_t>(header.size()))
        fail("cannot be written");
      return;
    }
    if (text.substr(0, line_end + 1) != header)
      throw UsageError("--resume: " + path_ + " " + difference(text.substr(0, line_end), identity) +
                       ": give another file, or remove it");
    const std::size_t whole = text.rfind('\n') + 1;
    if (whole < text.size() && ftruncate(descriptor_, static_cast<off_t>(whole)) != 0) fail("cannot be written");
    read_judgements(text.substr(header.size(), whole - header.size()), set);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

EvaluationState::~EvaluationState() { close(descriptor_); }

std::string EvaluationState::read_all() const {
  std::string text;
  std::string block(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t got = read(descriptor_, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot be read");
    if (got == 0) return text;
    text.append(block, 0, static_cast<std::size_t>(got));
  }
}

void EvaluationState::read_judgements(const std::string& text, const LabelledImages& set) {
  const auto is_a_class = [&](const Guess& guess) {
    return guess.index >= 0 && static_cast<std::size_t>(guess.index) < set.class_names.size();
  };
  std::vector<bool> seen(set.images.size(), false);
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    ++number;
    const std::string where = "--resume: " + path_ + ":" + std::to_string(number) + ": ";
    Judgement judgement;
    try {
      judgement = judgement_of(ordered_json::parse(std::string_view(text).substr(begin, end - begin)));
    } catch (const ordered_json::exception& error) {
      throw UsageError(where + "damaged: " + printable(error.what()));
    }
    if (judgement.image >= set.images.size() || judgement.truth != set.images[judgement.image].truth ||
        judgement.guesses.empty() || !std::all_of(judgement.guesses.begin(), judgement.guesses.end(), is_a_class))
      throw UsageError(where + "damaged: an image of the list with its class and guesses expected");
    begin = end + 1;
    const LabelledImage& image = set.images[judgement.image];
    if (const auto bytes = bytes_of(image); bytes && *bytes != judgement.bytes)
      throw UsageError(where + "it is of other images: " + printable(image.path) + " has " + std::to_string(*bytes) +
                       " bytes, had " + std::to_string(judgement.bytes) + ": give another file, or remove it");
    if (seen[judgement.image]) continue;
    seen[judgement.image] = true;
    found_.push_back(std::move(judgement));
  }
}

void EvaluationState::append(std::span<const Judgement> judgements) {
  std::string text;
  for (const Judgement& judgement : judgements) text += line_of(judgement).dump() + "\n";
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t written = write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace residua::tool
