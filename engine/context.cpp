#include "engine/context.h"

#include <algorithm>

#include "engine/environment.h"
#include "engine/fork.h"
#include "engine/helpers.h"
#include "engine/layout.h"
#include "engine/log.h"

namespace residua::engine {
namespace {

std::int64_t floats_of_image(const Plan& plan, graph::TensorId id) {
  return static_cast<std::int64_t>(float_count(plan.graph.tensor(id).shape)) / plan.key.batch;
}

std::size_t float_bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

// The tensors that the program must hand out: each once, and in an order that callers' orders do not change.
std::vector<graph::TensorId> tensors_of(std::span<const Output> outputs, graph::TensorId first_output) {
  std::vector<graph::TensorId> tensors;
  for (const Output& output : outputs) tensors.push_back(output.source.tensor);
  std::sort(tensors.begin(), tensors.end());
  tensors.erase(std::unique(tensors.begin(), tensors.end()), tensors.end());
  if (tensors == std::vector{first_output}) tensors.clear();
  return tensors;
}

// Which of the program's outputs `output` is made of.
std::size_t place_of(const Output& output, const Program& program) {
  const auto& tensors = program.key.outputs;
  return static_cast<std::size_t>(std::find(tensors.begin(), tensors.end(), output.source.tensor) - tensors.begin()) %
         program.outputs.size();
}

bool is_plain(const Output& output) { return output.top == 0 && !output.source.softmax; }

}  // namespace

ProgramKey choose_program(const RunShape& shape, const ContextOptions& options) {
  Schedule schedule = options.schedule;
  if (schedule == Schedule::automatic) {
    // Whole images a thread need no barriers and keep activations in that core's cache, but leave cores idle at the
    // end unless the images come out even or are many.
    const bool whole_images = shape.batch % options.threads == 0 || shape.batch >= 4 * options.threads;
    schedule = whole_images ? Schedule::throughput : Schedule::latency;
  }
  const std::int64_t pieces = (shape.batch + largest_piece - 1) / largest_piece;
  return {.batch = (shape.batch + pieces - 1) / pieces,  // even: no single image at the end
          .height = shape.height,
          .width = shape.width,
          .threads = options.threads,
          .whole_images = schedule == Schedule::throughput,
          .tuned = options.tune,
          .direct = options.direct,
          .outputs = {}};
}

Context::Context(std::shared_ptr<const Model> model, const ContextOptions& options)
    : model_(std::move(model)), options_(options) {
  const int budget = look_at_cpus();
  options_.threads = options.threads > 0 ? std::min(options.threads, budget) : budget;
}

std::size_t Context::bytes() const {
  std::size_t sum = preparer_.bytes() + memory_.bytes();
  for (const Block& block : whole_outputs_) sum += block.bytes();
  return sum;
}

float* Context::carried_by(std::size_t segment) const {
  return reinterpret_cast<float*>(memory_.data() + program_->segments[segment].carried_at);
}

std::byte* Context::workplace(std::size_t segment, int worker) const {
  return memory_.data() + program_->work_at +
         BoundPlan::bytes_for(*program_->segments[segment].plan, 1) * static_cast<std::size_t>(worker);
}

// Brings images [image, image + the plan's) to where the plan reads them.
Phase Context::load(std::size_t segment, const BoundPlan& bound, std::int64_t image) {
  const Plan& plan = *bound.plan();
  const std::int64_t images = plan.key.batch;
  float* const target = bound.input();
  if (segment == 0)
    return in_ranges(plan.key.threads, images * plan.key.height, [=, this](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = image * input_.shape.height, channels = model_->channels();
      write_activation(input_, model_->card(), channels, first + begin, first + end,
                       target + begin * input_.shape.width * channels);
    });
  const std::int64_t floats = floats_of_image(plan, plan.graph.inputs[0]);
  const float* const source = carried_by(segment - 1) + image * floats;
  return in_ranges(plan.key.threads, images * floats, [=](std::int64_t begin, std::int64_t end) {
    std::copy(source + begin, source + end, target + begin);
  });
}

// Takes the outputs of those images to where the next segment, and the caller, find them.
Phase Context::store(std::size_t segment, const BoundPlan& bound, std::int64_t image) {
  const Plan& plan = *bound.plan();
  const Segment& part = program_->segments[segment];
  struct Copy {
    graph::Shape shape;  // of one image
    const float* source;
    std::int64_t floats;
    std::size_t destination;
  };
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < part.outputs.size(); ++i) {
    const graph::TensorId id = plan.graph.outputs[i + (part.carries ? 1 : 0)];
    graph::Shape shape = plan.graph.tensor(id).shape;
    shape[0] = 1;
    copies.push_back({std::move(shape), bound.address(id), floats_of_image(plan, id), part.outputs[i]});
  }
  const float* carried = nullptr;
  float* next = nullptr;
  std::int64_t floats = 0;
  if (part.carries) {
    carried = bound.address(plan.graph.outputs[0]);
    floats = floats_of_image(plan, plan.graph.outputs[0]);
    next = carried_by(segment) + image * floats;
  }
  return {plan.key.batch, [=, this, copies = std::move(copies)](std::int64_t i, int) {
            if (carried) std::copy(carried + i * floats, carried + (i + 1) * floats, next + i * floats);
            for (const Copy& copy : copies)
              to_row_major(copy.shape, copy.source + i * copy.floats,
                           destinations_[copy.destination] + (image + i) * copy.floats);
          }};
}

void Context::run_image(std::size_t segment, std::int64_t image, int worker) {
  BoundSegment& own = segments_[segment];
  BoundPlan& bound = own.bound[static_cast<std::size_t>(worker)];
  const std::shared_ptr<const Plan>& plan = program_->segments[segment].plan;
  if (!bound.plan()) bound.bind(plan, 1, workplace(segment, worker));  // all workers at once
  const Phase before = load(segment, bound, image), after = store(segment, bound, image);
  run_alone({&before, 1}, 0);
  for (std::size_t i = 0; i < plan->steps.size(); ++i) {
    stop_.check();
    if (!profiles_) {
      run_alone(bound.phases_of(i), 0);
      continue;
    }
    const Clock::time_point begin = Clock::now();
    run_alone(bound.phases_of(i), 0);
    own.events[static_cast<std::size_t>(worker)].push_back(
        {own.first_layer + static_cast<int>(i), worker, first_image_ + image, begin, Clock::now()});
  }
  run_alone({&after, 1}, 0);
}

void Context::add_alone(std::size_t segment) {
  // Images are dealt out one by one.
  pieces_.push_back(
      {{{program_->key.batch, [this, segment](std::int64_t image, int worker) { run_image(segment, image, worker); }}},
       -1});
}

void Context::add_together(std::size_t segment) {
  BoundSegment& own = segments_[segment];
  BoundPlan& bound = own.bound[0];
  const std::shared_ptr<const Plan>& plan = program_->segments[segment].plan;
  bound.bind(plan, program_->key.threads, workplace(segment, 0));
  const std::int64_t images = plan->key.batch, batch = program_->key.batch;
  for (std::int64_t image = 0; image < batch; image += images) {
    // The last pass, where it has too few images, takes some of those before it again.
    const std::int64_t first = std::min(image, batch - images);
    pieces_.push_back({{load(segment, bound, first)}, -1, first});
    for (std::size_t step = 0; step < plan->steps.size(); ++step) {
      const auto phases = bound.phases_of(step);
      pieces_.push_back({{phases.begin(), phases.end()}, own.first_layer + static_cast<int>(step), first});
      if (phases.empty()) continue;
      // Whoever does the step's first part looks whether to go on.
      pieces_.back().phases[0].run = [this, run = phases[0].run](std::int64_t part, int worker) {
        if (part == 0) stop_.check();
        run(part, worker);
      };
    }
    pieces_.push_back({{store(segment, bound, first)}, -1, first});
  }
}

void Context::take(std::shared_ptr<const Program> program) {
  if (ready_ && program == program_) return;
  ready_ = false;  // where memory ends on the way, the next run begins here again
  pieces_.clear();
  phases_.clear();
  segments_.resize(program->segments.size());
  for (BoundSegment& own : segments_)
    for (BoundPlan& bound : own.bound) bound.release();  // their memory may move
  program_ = std::move(program);
  memory_.at_least(program_->bytes);
  int layers = 0;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = program_->segments[i];
    BoundSegment& own = segments_[i];
    const auto workers = static_cast<std::size_t>(segment.alone ? program_->key.threads : 1);
    own.bound.resize(workers);
    own.events.resize(workers);
    own.first_layer = layers;
    layers += static_cast<int>(segment.plan->steps.size());
    if (segment.alone)
      add_alone(i);
    else
      add_together(i);
  }
  for (const Piece& piece : pieces_) phases_.insert(phases_.end(), piece.phases.begin(), piece.phases.end());
  ready_ = true;
}

void Context::run_program(Turn& turn) {
  if (!profiles_) {
    turn.run(phases_);
    return;
  }
  for (const Piece& piece : pieces_) {
    const Clock::time_point begin = Clock::now();
    turn.run(piece.phases);
    if (piece.layer >= 0) info_.events.push_back({piece.layer, -1, first_image_ + piece.image, begin, Clock::now()});
  }
  for (BoundSegment& segment : segments_)
    for (std::vector<LayerEvent>& events : segment.events) {
      info_.events.insert(info_.events.end(), events.begin(), events.end());
      events.clear();
    }
}

void Context::sum_up_events() {
  for (const LayerEvent& event : info_.events)
    info_.layer_milliseconds[static_cast<std::size_t>(event.layer)] +=
        milliseconds_between(event.begin, event.end) / (event.worker < 0 ? 1 : info_.program->key.threads);
  if (!environment().verbose_profile || !log_wanted()) return;
  for (std::size_t i = 0; i < info_.program->layers.size(); ++i) {
    const Step& step = *info_.program->layers[i].step;
    log("profile: " + step.name + " " + step.implementation + " " + std::to_string(info_.layer_milliseconds[i]) +
        " ms");
  }
}

graph::Status Context::check(const Input& input) const {
  const std::int64_t channels = model_->channels();
  if (channels == 3 || (input.type == PixelType::float32 && input.preparation == Preparation::none)) return {};
  return graph::Error{graph::ErrorCode::invalid_argument, "RGB images to be normalised for a network of " +
                                                              std::to_string(channels) +
                                                              " channels; give it float32 values as they are"};
}

graph::Status Context::check(const Input& input, const Program& program, std::span<const Output> outputs) const {
  for (const Output& output : outputs) {
    const auto values = static_cast<std::int64_t>(float_count(program.outputs[place_of(output, program)]));
    if (output.top > values)
      return graph::Error{graph::ErrorCode::invalid_argument, "the " + std::to_string(output.top) +
                                                                  " largest values are asked for, there are " +
                                                                  std::to_string(values) + " an image"};
    const std::int64_t wanted = output.top > 0 ? output.top : values;
    std::int64_t needed = 0;
    if (__builtin_mul_overflow(wanted, input.shape.batch, &needed)) needed = INT64_MAX;
    for (const std::size_t room : {output.values.size(), output.top > 0 ? output.indices.size() : SIZE_MAX})
      if (room < static_cast<std::size_t>(needed))
        return graph::Error{graph::ErrorCode::invalid_argument, "the output has room for " + std::to_string(room) +
                                                                    " values, " + std::to_string(wanted) +
                                                                    " an image are needed"};
  }
  return {};
}

graph::Result<std::shared_ptr<const Program>> Context::program_for(const ProgramKey& key) {
  const Clock::time_point begin = Clock::now();
  bool made = false;
  auto program = model_->program(key, &made);
  info_.planned = info_.planned || made;
  if (made) model_->counters().plans.fetch_add(1, std::memory_order_relaxed);
  info_.planning_milliseconds += milliseconds_between(begin, Clock::now());
  return program;
}

// Values go straight to a caller who wants them as they are, or who wants their softmax, which can be taken in place.
void Context::choose_destinations(std::int64_t first, std::int64_t images, std::span<const Output> outputs) {
  destinations_.assign(program_->outputs.size(), nullptr);
  whole_outputs_.resize(std::max(whole_outputs_.size(), destinations_.size()));
  for (const bool softmax : {false, true})
    for (const Output& output : outputs) {
      const std::size_t place = place_of(output, *program_);
      if (output.top > 0 || output.source.softmax != softmax || destinations_[place]) continue;
      destinations_[place] =
          output.values.data() + first * static_cast<std::int64_t>(float_count(program_->outputs[place]));
    }
  for (std::size_t i = 0; i < destinations_.size(); ++i)
    if (!destinations_[i]) {
      const auto values = static_cast<std::int64_t>(float_count(program_->outputs[i]));
      destinations_[i] = reinterpret_cast<float*>(whole_outputs_[i].at_least(float_bytes_of(images * values)));
    }
}

void Context::derive(std::int64_t first, std::int64_t images, std::span<const Output> outputs) const {
  // What is taken in place comes last: the others read the values.
  for (const bool in_place : {false, true})
    for (const Output& output : outputs) {
      const std::size_t place = place_of(output, *program_);
      const auto values = static_cast<std::int64_t>(float_count(program_->outputs[place]));
      const float* const from = destinations_[place];
      const bool is_destination = output.top == 0 && output.values.data() + first * values == from;
      if (is_destination == in_place && !(in_place && is_plain(output)))
        derive_output(output, from, values, first, images);
    }
}

void Context::run_piece(const Input& images, std::int64_t first, std::span<const Output> outputs) {
  input_ = images;
  first_image_ = first;
  choose_destinations(first, images.shape.batch, outputs);
  const LockFree computing;
  Turn turn(program_->key.threads, stop_);
  info_.waited_milliseconds += std::chrono::duration<double, std::milli>(turn.waited()).count();
  if (images.preparation == Preparation::full) {
    const Clock::time_point begin = Clock::now();
    input_ = preparer_.prepare(
        images, model_->card(), program_->key.threads,
        [&](const Phase& phase) {
          turn.run({&phase, 1});
        },
        [this] { stop_.check(); });
    info_.preparation_milliseconds += milliseconds_between(begin, Clock::now());
  }
  run_program(turn);
  derive(first, images.shape.batch, outputs);
}

graph::Status Context::run_checked(const Input& input, std::span<const Output> outputs) {
  ProgramKey key = choose_program(input.shape, options_);
  key.outputs = tensors_of(outputs, model_->optimized().outputs[0]);
  std::shared_ptr<const Program> program = info_.program;  // a run of the same shape asks nobody and takes no lock
  info_.program = nullptr;
  info_.planned = false;
  info_.planning_milliseconds = info_.preparation_milliseconds = info_.waited_milliseconds = 0;
  info_.images = input.shape.batch;
  info_.scale = static_cast<double>(input.shape.batch) / static_cast<double>(key.batch);
  info_.begin = Clock::now();
  info_.events.clear();
  for (BoundSegment& segment : segments_)
    for (std::vector<LayerEvent>& events : segment.events) events.clear();
  stop_.check();
  if (model_->runs_from_files()) RESIDUA_RETURN_IF_ERROR(model_->check_files_unchanged());
  if (!program || program->key != key) {
    RESIDUA_ASSIGN(program, program_for(key));
  }
  RESIDUA_RETURN_IF_ERROR(check(input, *program, outputs));
  for (std::int64_t first = 0; first < input.shape.batch; first += key.batch) {
    ProgramKey piece = key;
    piece.batch = std::min(key.batch, input.shape.batch - first);
    std::shared_ptr<const Program> next = program;
    if (piece.batch != key.batch) {
      RESIDUA_ASSIGN(next, program_for(piece));
    }
    if (next != program_ || !ready_) {
      const Clock::time_point begin = Clock::now();
      take(std::move(next));
      info_.planning_milliseconds += milliseconds_between(begin, Clock::now());
    }
    run_piece(input.part(first, piece.batch), first, outputs);
  }
  if (model_->runs_from_files()) RESIDUA_RETURN_IF_ERROR(model_->check_files_unchanged());
  info_.program = std::move(program);
  info_.total_milliseconds = milliseconds_between(info_.begin, Clock::now()) - info_.waited_milliseconds;
  info_.layer_milliseconds.assign(info_.program->layers.size(), 0);
  if (profiles_) sum_up_events();
  return {};
}

graph::Status Context::run(const Input& input, std::span<const Output> outputs, const StopCondition& stop,
                           bool profile) {
  stop_ = stop;
  profiles_ = profile || options_.profile || environment().verbose_profile;
  Counters& counters = model_->counters();
  graph::Status status;
  try {
    status = check(input);
    if (status) status = run_checked(input, outputs);
  } catch (const Stopped& stopped) {
    status = stopped.error;
  } catch (...) {
    count_failure(counters, graph::ErrorCode::internal);
    throw;
  }
  Counters::add(counters.planning_nanoseconds, info_.planning_milliseconds);
  Counters::add(counters.queue_nanoseconds, info_.waited_milliseconds);
  if (!status) {
    count_failure(counters, status.error().code);
    return status;
  }
  counters.runs.fetch_add(1, std::memory_order_relaxed);
  counters.images.fetch_add(static_cast<std::uint64_t>(input.shape.batch), std::memory_order_relaxed);
  Counters::add(counters.run_nanoseconds, info_.total_milliseconds);
  return {};
}

graph::Status Context::run(const Input& input, std::span<float> output) {
  const Output first{.source = {model_->optimized().outputs[0], false}, .values = output};
  return run(input, {&first, 1});
}

}  // namespace residua::engine
