// residua pull: fetches published weights into the user's cache.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <system_error>

#include "tools/command.h"
#include "tools/download.h"
#include "tools/output_file.h"
#include "tools/part_file.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/sha256.h"
#include "tools/weights_catalogue.h"

namespace residua::tool {
namespace {

namespace fs = std::filesystem;

struct PullOptions {
  std::vector<std::string> names;
  std::string from;  // empty: RESIDUA_MIRROR, else where the catalogue says
  std::string catalogue;
  bool list = false;
};

constexpr std::size_t block_bytes = std::size_t{1} << 20;

// Calls `take` with all bytes of a file, in blocks. Throws std::runtime_error.
template <class Take>
void read_file(const fs::path& file, const Take& take) {
  std::error_code failed;
  if (!fs::is_regular_file(file, failed)) throw std::runtime_error(file.string() + ": no such file");
  std::ifstream stream(file, std::ios::binary);
  std::string block(block_bytes, '\0');
  while (stream.read(block.data(), static_cast<std::streamsize>(block.size())) || stream.gcount() > 0)
    take(std::string_view(block).substr(0, static_cast<std::size_t>(stream.gcount())));
  if (!stream.eof()) throw std::runtime_error(file.string() + ": cannot be read");
}

std::string digest_of_file(const fs::path& file) {
  Sha256 sum;
  read_file(file, [&](std::string_view bytes) { sum.add(bytes); });
  return sum.finish();
}

// Where to fetch a set from: an address, or the path of a file.
std::string source_of(const WeightSet& set, const PullOptions& options) {
  std::string base = options.from;
  if (const char* mirror = std::getenv("RESIDUA_MIRROR"); base.empty() && mirror != nullptr) base = mirror;
  if (base.empty()) return set.source;
  if (base.find("://") == std::string::npos) return (fs::path(base) / set.file).string();
  while (base.ends_with('/')) base.pop_back();
  return base + "/" + set.file;
}

// Adds what is missing to the part file.
void fetch(const std::string& source, PartFile& part) {
  if (source.find("://") == std::string::npos) {
    part.start_over();
    read_file(source, [&](std::string_view bytes) { part.write(bytes); });
    return;
  }
  constexpr std::uint64_t megabyte = 1'000'000;
  Progress progress("MB", part.size() / megabyte);
  download(source, part, [&](std::uint64_t done, std::optional<std::uint64_t> total) {
    progress.update(done / megabyte, total ? std::optional(*total / megabyte) : std::nullopt);
  });
}

std::string checked_digits(const WeightSet& set) {
  return set.sha256.size() == 64
             ? "all digits compared"
             : "the first " + std::to_string(set.sha256.size()) + " digits compared: no more of it are published";
}

// Fetches and puts in place. Returns the file's digest.
std::string pull_file(const WeightSet& set, const std::string& source, const fs::path& target) {
  PartFile part(target, [&] { complain(set.file + ": waiting for another process that fetches it"); });
  if (part.is_there()) return digest_of_file(target);
  const bool goes_on = part.size() > 0 && source.find("://") != std::string::npos;
  for (bool again = goes_on;; again = false) {
    fetch(source, part);
    std::string digest = digest_of_file(part.path());
    if (digest.starts_with(set.sha256)) {
      part.finish();
      return digest;
    }
    if (!again) {
      const std::uint64_t size = part.size();
      part.discard();
      throw std::runtime_error(source + ": these are other bytes: " + std::to_string(size) + " with the SHA-256 " +
                               digest + " came, one that starts with " + set.sha256 + " expected");
    }
    part.start_over();  // what an earlier run left may have been of another file
  }
}

void pull(const WeightSet& set, const PullOptions& options, OutputFile& output) {
  const fs::path target = weights_folder() / set.kept_name();
  std::error_code failed;
  bool was_there = fs::exists(target, failed);
  std::string digest = was_there ? digest_of_file(target) : "";
  if (was_there && !digest.starts_with(set.sha256)) {
    complain(target.string() + ": damaged (its SHA-256 is " + digest + "): it is fetched again");
    fs::remove(target, failed);
    was_there = false;
  }
  if (!was_there) digest = pull_file(set, source_of(set, options), target);
  output.write(printable(set.name) + (was_there ? " is there: " : " has come: ") + target.string() + "\n  sha256 " +
               digest + " (" + checked_digits(set) + ")\n");
  output.flush();
}

std::string list_text(const std::vector<WeightSet>& sets) {
  std::vector<std::vector<std::string>> rows = {{"name", "short", "MB", "top-1", "here"}};
  for (const WeightSet& set : sets) {
    std::error_code ignored;
    rows.push_back({printable(set.name), printable(set.alias), set.megabytes > 0 ? fixed(set.megabytes, 1) : "",
                    set.published_top1 > 0 ? fixed(set.published_top1, 1) + " %" : "",
                    fs::exists(weights_folder() / set.kept_name(), ignored) ? "yes" : ""});
  }
  return table(rows, "llrrl");
}

int pull_all(const PullOptions& options) {
  const std::vector<WeightSet> sets = known_weights(options.catalogue);
  OutputFile output = OutputFile::standard_output();
  if (options.list) {
    output.write(list_text(sets));
    output.finish();
    return all_well;
  }
  std::vector<WeightSet> wanted;
  for (const std::string& name : options.names) {
    const auto set = find_weights(sets, name);
    if (!set) throw UsageError(name + ": no weights of that name are known (`residua pull --list` tells which are)");
    wanted.push_back(*set);
  }
  bool all_there = true;
  for (const WeightSet& set : wanted) try {
      pull(set, options, output);
    } catch (const TransferError& error) {
      complain(set.name + ": " + error.what() + " (--from takes it from another address, or from a folder)");
      all_there = false;
    } catch (const std::runtime_error& error) {  // Error, OutputError
      complain(set.name + ": " + error.what());
      all_there = false;
    }
  output.finish();
  return all_there ? all_well : some_inputs_failed;
}

}  // namespace

Command add_pull(CLI::App& app) {
  const auto options = std::make_shared<PullOptions>();
  CLI::App* parser = app.add_subcommand(
      "pull",
      "Fetch published weights by name into ~/.cache/residua/weights (XDG_CACHE_HOME); after it, --model NAME "
      "uses them.");
  CLI::Option* names =
      parser->add_option("NAME", options->names, "Sets of weights: resnet50, or resnet50.imagenet1k_v1")->type_name("");
  CLI::Option* list = parser->add_flag("--list", options->list, "Tell which there are, and which of them are here");
  list->excludes(names);
  parser
      ->add_option("--from", options->from,
                   "Fetch from this folder or http(s) address, which has files of the same names, in place of the "
                   "publisher's [default: RESIDUA_MIRROR]")
      ->type_name("URL|FOLDER")
      ->excludes(list);
  parser
      ->add_option("--catalogue", options->catalogue,
                   "A catalogue of further weights, of your own (docs/pulling-weights.md) [default: RESIDUA_CATALOGUE]")
      ->type_name("FILE");
  parser->footer(
      "Examples:\n"
      "  residua pull resnet50\n"
      "  residua classify --model resnet50 photo.jpg\n"
      "  residua pull --from /mnt/weights resnet18 resnet101\n"
      "\n"
      "A transfer that was ended goes on where it was when it is asked for again. Files are compared with the digits "
      "of\n"
      "the SHA-256 that their publishers give, and have their names only when they are whole and right.");
  return {parser, [options] {
            if (!options->list && options->names.empty())
              throw UsageError("pull: the name of a set of weights expected, or --list");
            return pull_all(*options);
          }};
}

}  // namespace residua::tool
