// What is chosen for a convolution, and why not the others: by rules, under a limit on memory, and as measured.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "engine/caches.h"
#include "engine/environment.h"
#include "engine/program.h"
#include "engine/tuner.h"
#include "engine/weight_allotment.h"
#include "graph/architectures/resnet.h"
#include "graph/infer.h"
#include "graph/pipeline.h"
#include "tests/kernels/random_case.h"
#include "tests/temporary_folder.h"

using namespace residua::engine;
namespace graph = residua::graph;

namespace {

graph::Graph optimized_network(const graph::ResNetConfiguration& configuration) {
  auto built = graph::build_resnet(configuration, graph::random_weights(configuration, 1));
  REQUIRE_MESSAGE(built.ok(), built.error().message);
  auto result = graph::optimize(std::move(*built));
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  return std::move(result).value();
}

// resnet18: its weights are 46.7 MB, its 3x3 convolutions with stride 1 have 37.9 of them.
const graph::Graph& resnet18() {
  static const graph::Graph optimized = optimized_network(*graph::find_architecture("resnet18"));
  return optimized;
}

const graph::Graph& one_image() {
  static const graph::Graph g = graph::with_input_shape(resnet18(), {1, 3, 224, 224}).value();
  return g;
}

std::shared_ptr<const Program> program_of(const ProgramKey& key, PackedWeights& packed,
                                          const SelectionOptions& options = {}) {
  auto program = make_program(resnet18(), key, kernel_table(), packed, options);
  REQUIRE_MESSAGE(program.ok(), program.error().message);
  return *program;
}

std::vector<std::string> implementations(const Program& program) {
  std::vector<std::string> names;
  for (const Layer& layer : program.layers) names.push_back(layer.step->implementation);
  return names;
}

std::size_t count(const std::vector<std::string>& names, const std::string& beginning) {
  return static_cast<std::size_t>(
      std::count_if(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(beginning); }));
}

std::string reason(const Program& program, const std::string& step, const std::string& implementation) {
  const Plan& plan = *program.segments[0].plan;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    for (const Rejection& rejection : plan.rejections[i])
      if (plan.steps[i].name == step && rejection.implementation == implementation) return rejection.reason;
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("every candidate that does not run a node says why") {
  auto kernels = kernel_table();
  kernels.tiles = {};  // the same answers on every machine
  PackedWeights packed;
  const auto made = make_program(resnet18(), {}, kernels, packed, {});
  REQUIRE_MESSAGE(made.ok(), made.error().message);
  const std::shared_ptr<const Program>& program = *made;
  const Plan& plan = *program->segments[0].plan;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    CHECK(plan.rejections[i].size() + 1 == candidates(plan.steps[i].op).size());
    for (const Rejection& rejection : plan.rejections[i]) CHECK(!rejection.reason.empty());
  }
  CHECK(reason(*program, "conv1", "winograd 4x4") == "the kernel is not 3x3");
  CHECK(reason(*program, "layer2.0.conv1", "winograd 2x2") == "the stride is not 1");
  const bool larger = reason(*program, "layer1.0.conv1", "winograd 6x6").empty();  // tiles, by the instruction set
  CHECK(reason(*program, "layer1.0.conv1", "direct") ==
        std::string("slower by the shape rules: 115.6 M multiplications an image and 0.15 MB of weights, winograd ") +
            (larger ? "6x6 23.7 M and 1.05 MB" : "4x4 28.9 M and 0.59 MB"));
  CHECK(contains(reason(*program, "layer2.0.downsample.0", "onednn"), "later by rank: 6.4 M multiplications"));
  CHECK(contains(reason(*program, "layer2.0.conv1", "direct"), "slower by the shape rules: 57.8 M multiplications"));
}

TEST_CASE("tile registers: 1x1, 3x3 with stride, and 3x3 of very many weights") {
  auto kernels = kernel_table();
  kernels.tiles = {};
  PackedWeights packed;
  const auto without = make_program(resnet18(), {}, kernels, packed, {});
  REQUIRE_MESSAGE(without.ok(), without.error().message);
  CHECK(count(implementations(**without), "tiles") == 0);
  CHECK(contains(reason(**without, "layer2.0.conv1", "tiles"), "no tile registers"));

  // For the rules: nothing runs.
  kernels.tiles.transform_line_weights = [](const float*, std::int64_t, std::int64_t, float*) noexcept {};
  kernels.tiles.pack_weights = [](const float*, int, std::int64_t, int, float*) noexcept {};
  kernels.tiles.convolve = [](const residua::kernels::TileFactors&, const residua::kernels::TileBlocks&,
                              const residua::kernels::TileWeights&, std::int64_t,
                              const residua::kernels::ProductTarget&, float*) noexcept {};
  const auto planned = [&](const ProgramKey& key, const SelectionOptions& options = {}) {
    auto program = make_program(resnet18(), key, kernels, packed, options);
    REQUIRE_MESSAGE(program.ok(), program.error().message);
    return *program;
  };
  const auto one = planned({.batch = 1, .threads = 2}), many = planned({.batch = 64, .threads = 2});
  // 1x1, and 3x3 with stride, from 64 channels to 128 on.
  CHECK(count(implementations(*one), "tiles") == 3 + 3);
  CHECK(count(implementations(*one), "winograd lines") == 0);
  CHECK(count(implementations(*many), "tiles") == 3 + 3);
  CHECK(count(implementations(*many), "winograd lines") == 0);
  CHECK(contains(reason(*one, "conv1", "tiles"), "3 channels are no multiple of a tile's 32"));
  CHECK(contains(reason(*one, "layer4.1.conv1", "winograd lines"), "4 tiles of 4x4 vectors lose less"));
  CHECK(contains(reason(*one, "layer3.1.conv1", "winograd lines"), "16 tiles of 4x4 vectors lose less"));
  CHECK(contains(reason(*one, "layer4.0.conv1", "winograd 2x2 stride 2"), "4 tiles of 4x4 tile registers are faster"));
  CHECK(contains(reason(*one, "layer2.1.conv1", "winograd lines"), "49 tiles of 4x4 vectors lose less"));
  CHECK(contains(reason(*one, "layer2.0.conv1", "winograd 2x2 stride 2"), "49 tiles of 4x4 tile registers are faster"));
  const auto eight = planned({.batch = 8, .threads = 1}), seven = planned({.batch = 7, .threads = 1});
  CHECK(contains(reason(*eight, "layer4.1.conv1", "winograd lines"), "32 tiles of 4x4 vectors lose less"));
  CHECK(contains(reason(*eight, "layer4.0.conv1", "winograd 2x2 stride 2"), "32 tiles of 4x4 tile registers"));
  // 512 channels of whatever images, and 256 of the smallest, are left to vectors.
  CHECK(contains(reason(*seven, "layer4.1.conv1", "winograd lines"), "28 tiles of 4x4 vectors lose less"));
  const ProgramKey small{.batch = 16, .height = 128, .width = 128, .threads = 2};
  CHECK(!reason(*planned(small), "layer4.1.conv2", "tiles").empty());
  const ProgramKey smaller{.batch = 1, .height = 112, .width = 112, .threads = 2};
  CHECK(contains(reason(*planned(smaller), "layer3.1.conv2", "winograd lines"), "4 tiles of 4x4 vectors lose less"));
  // Of 1024 channels vectors have but a few tiles.
  auto wide = *graph::find_architecture("resnet18");
  wide.blocks = {1, 1, 1, 1};
  wide.channels = {64, 64, 64, 1024};
  const graph::Graph wide_network = optimized_network(wide);
  PackedWeights sizes(PackedWeights::Purpose::only_sizes);
  const auto planned_wide = [&](std::int64_t batch, const WeightAllotment* allotment = nullptr) {
    auto program = make_program(wide_network, {.batch = batch, .threads = 2}, kernels, sizes, {.allotment = allotment});
    REQUIRE_MESSAGE(program.ok(), program.error().message);
    return *program;
  };
  CHECK(contains(reason(*planned_wide(2), "layer4.0.conv2", "winograd 4x4"), "8 tiles of 4x4 tile registers are"));
  CHECK(count(implementations(*planned_wide(16)), "winograd lines") == 1);
  // Without weights as terms they have less.
  const WeightAllotment little(graph::with_input_shape(wide_network, {1, 3, 224, 224}).value(), kernels, 1'000'000);
  CHECK(!reason(*planned_wide(1), "layer4.0.conv2", "tiles").empty());
  CHECK(reason(*planned_wide(1, &little), "layer4.0.conv2", "tiles").empty());
  // A few pixels, at the end of a small image.
  const ProgramKey few{.batch = 1, .height = 64, .width = 64, .threads = 2};
  CHECK(contains(reason(*planned(few), "layer4.0.downsample.0", "tiles"), "for 4 pixels"));
  // A photo of a camera's size: its transformed copy would be half a gigabyte.
  CHECK(contains(
      reason(*planned({.batch = 1, .height = 3024, .width = 4032, .threads = 2}), "layer1.0.conv1", "winograd lines"),
      "too large to keep"));
  // No weight is kept in two forms where memory is short.
  const WeightAllotment none(one_image(), kernels, 1);
  PackedWeights limited;
  const auto tight = make_program(resnet18(), few, kernels, limited, {.allotment = &none});
  REQUIRE_MESSAGE(tight.ok(), tight.error().message);
  const auto names = implementations(**tight);
  CHECK(count(names, "tiles") == 19);
  CHECK(count(names, "winograd") == 0);
  const auto direct = planned({.batch = 1, .threads = 2, .direct = true}, {.direct = true});
  CHECK(count(implementations(*direct), "tiles") + count(implementations(*direct), "winograd") == 0);
}

TEST_CASE("where loads bind products, none take more data to save multiplications") {
  for (const bool bind : {false, true}) {
    auto kernels = kernel_table();
    kernels.instruction_set = residua::kernels::InstructionSet::avx512;  // for the rules: nothing runs
    kernels.tiles = {};
    kernels.loads_bind_products = bind;
    PackedWeights packed;
    const auto program = make_program(resnet18(), {}, kernels, packed, {});
    REQUIRE_MESSAGE(program.ok(), program.error().message);
    const auto names = implementations(**program);
    CHECK((count(names, "strassen") == 0) == bind);
    CHECK((count(names, "winograd 4x4 stride 2") == 0) == bind);
    CHECK(count(names, "winograd 2x2 stride 2") == (bind ? 3 : 1));
    CHECK(contains(reason(**program, "layer3.0.downsample.0", "strassen"), "loads bind products") == bind);
  }
}

TEST_CASE("where loads bind products, more images of a batch meet each weight") {
  const auto images_of_last_stretch = [](bool bind) {
    auto kernels = kernel_table();
    kernels.loads_bind_products = bind;
    PackedWeights packed;
    const auto program =
        make_program(resnet18(), {.batch = 16, .threads = 2, .whole_images = true}, kernels, packed, {});
    REQUIRE_MESSAGE(program.ok(), program.error().message);
    return (*program)->segments.back().plan->key.batch;
  };
  // 4 tiles an image at the end: 48 rows are 12 images, 160 are more than there are. A small cache has no room for
  // them.
  CHECK(images_of_last_stretch(false) <= images_of_last_stretch(true));
  if (caches().level3 < std::size_t{32} << 20) return;
  CHECK(images_of_last_stretch(true) == 16);
}

TEST_CASE("tiles of 6x6: where they save more than their weights take to read") {
  for (residua::kernels::KernelTable kernels : tables_of_this_cpu())
    for (const bool bind : {false, true}) {
      const std::string tier(name_of(kernels.instruction_set));
      CAPTURE(tier);
      CAPTURE(bind);
      kernels.tiles = {};
      kernels.loads_bind_products = bind;
      PackedWeights sizes(PackedWeights::Purpose::only_sizes);
      const auto why_not = [&](std::int64_t batch, const std::string& layer, const WeightAllotment* limit = nullptr) {
        auto program = make_program(resnet18(), {.batch = batch, .threads = 2}, kernels, sizes, {.allotment = limit});
        REQUIRE_MESSAGE(program.ok(), program.error().message);
        return reason(**program, layer, "winograd 6x6");
      };
      const bool wide = kernels.products.lanes > 8;
      // 56x56: 84 x 84 positions in tiles of 4x4, 76 x 76 in tiles of 6x6: 45 for each of 28 weights more.
      CHECK(why_not(1, "layer1.0.conv1").empty() == !(wide && bind));
      // The same for all batches.
      for (const std::int64_t batch : {1, 16}) {
        CHECK(why_not(batch, "layer2.0.conv2").empty() == !(wide || bind));
        CHECK(contains(why_not(batch, "layer3.0.conv2"), "tiles of 6x6 save 3 multiplications for a weight"));
        CHECK(contains(why_not(batch, "layer4.0.conv2"), "weights would take 29.36 MB more"));
      }
      const WeightAllotment limit(one_image(), kernels, 1'000'000);
      CHECK(contains(why_not(1, "layer1.0.conv1", &limit), "under a memory limit weights are compact"));
    }
}

TEST_CASE("few tiles are not cut larger than threads can share") {
  // 64 channels at 8x8: 4 tiles of 4x4 an image. Where the weights are beyond the level 2 cache threads share blocks of
  // them in place of rows; but not from memory.
  constexpr std::size_t weights = 64 * 64 * 36 * sizeof(float);
  const bool from_shared_cache = weights > caches().level2 * 3 / 4 && weights <= 2 * caches().level2;
  const graph::Graph network = optimized_network(*graph::find_architecture("resnet20_cifar"));
  for (const std::int64_t batch : {1, 2}) {
    PackedWeights packed;
    const auto program =
        make_program(network, {.batch = batch, .height = 32, .width = 32, .threads = 2}, kernel_table(), packed, {});
    REQUIRE_MESSAGE(program.ok(), program.error().message);
    CHECK(contains(reason(**program, "layer3.1.conv1", "winograd 4x4"), "4 tiles are too few") ==
          (batch == 1 && !from_shared_cache));
  }
}

TEST_CASE("with AVX2 1x1 convolutions are products alone") {
  auto kernels = kernel_table();
  kernels.instruction_set = residua::kernels::InstructionSet::avx2;  // for the rules: nothing runs
  kernels.tiles = {};
  PackedWeights packed;
  const auto program = make_program(resnet18(), {}, kernels, packed, {});
  REQUIRE_MESSAGE(program.ok(), program.error().message);
  CHECK(count(implementations(**program), "strassen") == 0);
  CHECK(contains(reason(**program, "layer3.0.downsample.0", "strassen"), "with AVX2"));
}

TEST_CASE("a limit bounds what all programs together add, whatever was planned before") {
  constexpr std::size_t own = 46'700'000;
  const std::vector<ProgramKey> keys = {
      {.batch = 1, .threads = 2},
      {.batch = 16, .threads = 2, .whole_images = true},
      {.batch = 3, .threads = 1},
      {.batch = 1, .height = 64, .width = 64, .threads = 1},
      {.batch = 4, .height = 320, .width = 200, .threads = 2},
  };
  std::size_t added_before = 0;
  for (const std::size_t limit : {std::size_t{1}, std::size_t{1'000'000}, std::size_t{12'000'000},
                                  std::size_t{30'000'000}, std::size_t{80'000'000}}) {
    CAPTURE(limit);
    const WeightAllotment allotment(one_image(), kernel_table(), limit);
    CHECK(allotment.added_bytes() <= limit);
    CHECK(allotment.added_bytes() >= added_before);
    added_before = allotment.added_bytes();
    PackedWeights packed;
    std::vector<std::shared_ptr<const Program>> programs;
    for (const ProgramKey& key : keys) programs.push_back(program_of(key, packed, {.allotment = &allotment}));
    CHECK(packed.bytes() <= own + limit + own / 50);  // padding of channels, and biases
    // The same alone, and in another order.
    for (std::size_t i = keys.size(); i-- > 0;) {
      PackedWeights alone;
      CHECK(implementations(*program_of(keys[i], alone, {.allotment = &allotment})) == implementations(*programs[i]));
    }
  }
}

TEST_CASE("the limit goes to where a byte saves most, and says where it stands in the way") {
  PackedWeights packed;
  const WeightAllotment none(one_image(), kernel_table(), 1);
  const auto without = program_of({}, packed, {.allotment = &none});
  CHECK(count(implementations(*without), "winograd") == 0);
  CHECK(contains(reason(*without, "layer1.0.conv1", "winograd 4x4"), "memory limit"));
  CHECK(contains(reason(*without, "layer1.0.conv1", "winograd 2x2"), "memory limit"));

  const WeightAllotment some(one_image(), kernel_table(), 6'000'000);
  const auto partly = program_of({}, packed, {.allotment = &some});
  const auto names = implementations(*partly);
  CHECK(count(names, "winograd") > 0);
  CHECK(reason(*partly, "layer1.0.conv1", "winograd 4x4 compact").empty());  // has most pixels, so it has it
  CHECK(contains(reason(*partly, "layer4.1.conv2", "winograd 2x2"), "memory limit"));

  const WeightAllotment all(one_image(), kernel_table(), std::size_t{1} << 30);
  for (const std::int64_t batch : {1, 8}) {
    const ProgramKey key{.batch = batch, .threads = 2};
    CHECK(implementations(*program_of(key, packed, {.allotment = &all})) == implementations(*program_of(key, packed)));
  }
}

TEST_CASE("compact weights and terms: where whole ones come from memory for few tiles") {
  for (residua::kernels::KernelTable table : tables_of_this_cpu()) {
    table.tiles = {};  // which take some of these layers
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    const auto planned = [&](std::int64_t batch, const WeightAllotment* allotment) {
      PackedWeights packed;
      auto program = make_program(resnet18(), {.batch = batch, .threads = 2}, table, packed, {.allotment = allotment});
      REQUIRE_MESSAGE(program.ok(), program.error().message);
      if (allotment) CHECK(packed.bytes() <= 48'000'000 + allotment->added_bytes());
      return *program;
    };
    const std::string layer = "layer4.1.conv2", whole = "winograd 4x4", compact = "winograd 4x4 compact",
                      terms = "winograd 4x4 terms";
    const auto one = planned(1, nullptr), two = planned(2, nullptr), many = planned(64, nullptr);
    const bool shares = table.products.rows >= 8;
    CHECK((count(implementations(*one), terms) > 0) == shares);
    CHECK((count(implementations(*one), compact) > 0) == !shares);
    CHECK((count(implementations(*two), compact) > 0) == shares);
    CHECK(contains(reason(*one, layer, whole), "4 tiles are too few for so many weights"));
    if (shares) {
      CHECK(contains(reason(*one, layer, compact), "weights as terms are least to read"));
      CHECK(contains(reason(*two, layer, whole), "compact weights are less to read"));
      CHECK(contains(reason(*two, layer, terms), "8 tiles reading more takes less"));
      CHECK(contains(reason(*one, "layer2.1.conv2", terms), "compact weights stay near the cores"));
    } else {
      CHECK(contains(reason(*one, layer, terms), "do not fit the registers"));
      CHECK(contains(reason(*two, layer, compact), "rows of sums are too few to make each weight for"));
      CHECK(contains(reason(*one, "layer3.1.conv2", compact), "rows of sums are too few to make each weight for"));
    }
    CHECK(!reason(*many, layer, compact).empty());
    CHECK(!reason(*many, layer, terms).empty());
    CHECK(reason(*many, layer, whole).empty());

    const WeightAllotment allotment(one_image(), table, 30'000'000);
    const auto limited = planned(1, &allotment);
    CHECK(count(implementations(*limited), compact) > 0);
    CHECK(contains(reason(*limited, layer, terms), "under a memory limit weights are compact"));
  }
}

TEST_CASE(
    "under any limit, on any tier: it holds for all batches together, and what one image has the others have too") {
  constexpr std::size_t own = 46'700'000;
  for (const residua::kernels::KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    for (const std::size_t megabytes : {20U, 50U, 80U, 100U, 200U, 250U, 400U}) {
      CAPTURE(megabytes);
      const WeightAllotment allotment(one_image(), table, megabytes * 1'000'000);
      PackedWeights sizes(PackedWeights::Purpose::only_sizes);
      std::vector<std::shared_ptr<const Program>> programs;  // held, so that their weights count
      for (const std::int64_t batch : {1, 2, 8, 32, 64}) {
        auto program =
            make_program(resnet18(), {.batch = batch, .threads = 2}, table, sizes, {.allotment = &allotment});
        REQUIRE_MESSAGE(program.ok(), program.error().message);
        programs.push_back(*program);
        CHECK(count(implementations(*programs.back()), "winograd") >=
              count(implementations(*programs.front()), "winograd"));
      }
      CHECK(sizes.bytes() <= own + allotment.added_bytes() + own / 50);
      CHECK(allotment.added_bytes() <= megabytes * 1'000'000);
    }
  }
}

TEST_CASE("a limit is spent on forms that run: kernels for groups need none") {
  const graph::Graph network = optimized_network(*graph::find_architecture("resnext50_32x4d"));
  const auto image = graph::with_input_shape(network, {1, 3, 224, 224});
  REQUIRE(image.ok());
  const WeightAllotment allotment(*image, kernel_table(), std::size_t{1} << 30);
  for (const std::int64_t batch : {1, 8}) {
    PackedWeights packed;
    const auto program =
        make_program(network, {.batch = batch, .threads = 2}, kernel_table(), packed, {.allotment = &allotment});
    REQUIRE_MESSAGE(program.ok(), program.error().message);
    CHECK(contains(reason(**program, "layer4.1.conv2", "winograd 2x2"), "adds nothing comes first by rank"));
    const std::vector<std::string> names = implementations(**program);
    CHECK(count(names, "grouped") == 16);
    // Its 3x3 all have groups: what is transformed are the stem and 1x1.
    CHECK(count(names, "winograd") <= 1);
  }
  // 7/4 of all 25 million weights at most, less what has no form.
  CHECK(allotment.added_bytes() < std::size_t{25'000'000} * 4 * 7 / 4);
}

TEST_CASE("a limit is not spent on what the CPU speaks against, and does not bring it back") {
  auto kernels = kernel_table();
  kernels.loads_bind_products = true;
  std::size_t all = 0;
  for (const std::size_t megabytes : {20U, 60U, 120U, 1000U}) {
    CAPTURE(megabytes);
    const WeightAllotment allotment(one_image(), kernels, megabytes * 1'000'000);
    for (const std::int64_t batch : {1, 8}) {
      PackedWeights packed;
      const auto program =
          make_program(resnet18(), {.batch = batch, .threads = 2}, kernels, packed, {.allotment = &allotment});
      REQUIRE_MESSAGE(program.ok(), program.error().message);
      const auto names = implementations(**program);
      CHECK(count(names, "strassen") == 0);
      CHECK(count(names, "winograd 4x4 stride 2") == 0);
      CHECK(count(names, "winograd") > 0);
    }
    all = allotment.added_bytes();
  }
  kernels.loads_bind_products = false;
  CHECK(WeightAllotment(one_image(), kernels, 1'000'000'000).added_bytes() > all);
}

TEST_CASE("under a limit threads change nothing") {
  const WeightAllotment allotment(one_image(), kernel_table(), 20'000'000);
  PackedWeights packed;
  const auto names = [&](int threads) {
    return implementations(*program_of({.batch = 2, .threads = threads}, packed, {.allotment = &allotment}));
  };
  CHECK(names(1) == names(2));
}

TEST_CASE("tuned: what was measured decides, layers are measured once, and the limit holds") {
  const residua::tests::TemporaryFolder folder;
  const ProgramKey key{.batch = 1, .height = 64, .width = 64, .threads = 2, .tuned = true};
  PackedWeights packed;
  Tuner tuner{TuningCache(folder.path())};
  const WeightAllotment none(one_image(), kernel_table(), 1);
  const auto limited = program_of(key, packed, {.allotment = &none, .tuner = &tuner});
  CHECK(count(implementations(*limited), "winograd") == 0);
  CHECK(contains(reason(*limited, "layer1.0.conv1", "winograd 4x4"), "memory limit"));
  const auto tuned = program_of(key, packed, {.tuner = &tuner});
  tuner.save();
  const Plan& plan = *tuned->segments[0].plan;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    for (const Rejection& rejection : plan.rejections[i])
      if (plan.steps[i].op == graph::Op::convolution && rejection.implementation == "onednn")
        CHECK_MESSAGE(contains(rejection.reason, "as measured here"), rejection.reason);

  // Another run finds every layer, so it chooses the same.
  Tuner again{TuningCache(folder.path())};
  CHECK(implementations(*program_of(key, packed, {.tuner = &again})) == implementations(*tuned));
  // Times that say otherwise are believed.
  TuningCache slow_winograd(folder.path());
  const graph::Node& node = *std::find_if(plan.graph.nodes.begin(), plan.graph.nodes.end(),
                                          [](const graph::Node& n) { return n.name == "layer1.0.conv1"; });
  const StepRequest request{.graph = plan.graph,
                            .node = node,
                            .threads = 2,
                            .run_batch = 1,
                            .kernels = kernel_table(),
                            .packed = packed,
                            .may_overwrite = [](graph::TensorId) { return false; }};
  slow_winograd.add(signature_of(request), {{"winograd 6x6", 3},
                                            {"winograd 4x4", 3},
                                            {"winograd 4x4 compact", 3},
                                            {"winograd 4x4 terms", 3},
                                            {"winograd 2x2", 2},
                                            {"winograd 2x2 compact", 2},
                                            {"tiles", 1},
                                            {"winograd lines", 3},
                                            {"direct", 1},
                                            {"onednn", 0.99}});
  slow_winograd.save();
  Tuner other{TuningCache(folder.path())};
  const auto chosen = program_of(key, packed, {.tuner = &other});
  CHECK(contains(reason(*chosen, "layer1.0.conv1", "winograd 4x4"), "slower as measured here: 3.000 ms, onednn 0.990"));
}
