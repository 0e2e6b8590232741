/* What a service does, as a C99 program: a model from memory, outputs by name, runs without a context, and every
 * argument that makes no sense. */
#define _POSIX_C_SOURCE 200112L
#include <math.h>
#include <residua/residua.h>
#include <semaphore.h>

#include "golden.h"

static int failures = 0;

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                               \
    }                                                                           \
  } while (0)

/* That a call was refused as misuse, with a message. */
#define REFUSED(call)                          \
  do {                                         \
    memset(&error, 0, sizeof error);           \
    CHECK((call) == RESIDUA_INVALID_ARGUMENT); \
    CHECK(error.message[0] != '\0');           \
  } while (0)

static struct golden golden;
static residua_error error;

static void* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  void* bytes = malloc(1 << 22);
  if (file == NULL || bytes == NULL) exit(1);
  *size = fread(bytes, 1, 1 << 22, file);
  fclose(file);
  return bytes;
}

static void count_release(void* user) { ++*(int*)user; }
static int64_t read_nothing(void* user, void* buffer, size_t bytes) {
  (void)user;
  (void)buffer;
  (void)bytes;
  return -1;
}

static residua_model* load(void) {
  size_t size = 0;
  int released = 0;
  void* bytes = read_file(golden_path("models/resnet20-cifar10.safetensors"), &size);
  residua_model* model = NULL;
  CHECK(residua_model_load_memory(bytes, size, NULL, NULL, NULL, &model, &error) == RESIDUA_OK);
  /* Given back exactly once, also where nothing comes of it. */
  residua_model* none = NULL;
  REFUSED(residua_model_load_memory(bytes, size, count_release, &released, NULL, NULL, &error));
  CHECK(released == 1);
  REFUSED(residua_model_load_memory(NULL, size, count_release, &released, NULL, &none, &error));
  CHECK(released == 2);
  CHECK(residua_model_load_memory(bytes, size / 2, count_release, &released, NULL, &none, &error) != RESIDUA_OK);
  CHECK(released == 3 && none == NULL);
  REFUSED(residua_model_load_stream(NULL, NULL, 0, NULL, &none, &error));
  REFUSED(residua_model_load_stream(read_nothing, NULL, 0, NULL, NULL, &error));
  CHECK(residua_model_load_stream(read_nothing, NULL, 0, NULL, &none, &error) == RESIDUA_IO);
  free(bytes);
  if (model == NULL) exit(1);
  return model;
}

static residua_input input_of(int32_t batch) {
  residua_input input;
  memset(&input, 0, sizeof input);
  input.struct_size = sizeof input;
  input.format = RESIDUA_UINT8_NHWC;
  input.data = golden.nhwc;
  input.batch = batch;
  input.height = GOLDEN_SIDE;
  input.width = GOLDEN_SIDE;
  return input;
}

static residua_output output_of(const char* name, float* values, size_t capacity) {
  residua_output output;
  memset(&output, 0, sizeof output);
  output.struct_size = sizeof output;
  output.name = name;
  output.values = values;
  output.capacity = capacity;
  return output;
}

static void check_outputs(residua_model* model) {
  float logits[GOLDEN_IMAGES * GOLDEN_CLASSES], best[GOLDEN_IMAGES], pooled[GOLDEN_IMAGES * 64];
  int32_t classes[GOLDEN_IMAGES];
  residua_tensor_info tensor;
  tensor.struct_size = sizeof tensor;
  CHECK(residua_model_find_tensor(model, "pooled", 0, 0, &tensor, &error) == RESIDUA_OK);
  CHECK(tensor.values == 64);
  CHECK(residua_model_find_tensor(model, NULL, 0, 0, &tensor, &error) == RESIDUA_OK);
  CHECK(tensor.values == GOLDEN_CLASSES && strcmp(tensor.name, "logits") == 0);

  residua_output outputs[3];
  outputs[0] = output_of(NULL, logits, GOLDEN_IMAGES * GOLDEN_CLASSES);
  outputs[1] = output_of("probabilities", best, GOLDEN_IMAGES);
  outputs[1].top_k = 1;
  outputs[1].indices = classes;
  outputs[2] = output_of("pooled", pooled, GOLDEN_IMAGES * 64);
  residua_run_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  residua_run_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.deadline_ms = 60e3;
  options.info = &info;
  const residua_input input = input_of(GOLDEN_IMAGES);
  CHECK(residua_run(model, &input, outputs, 3, &options, &error) == RESIDUA_OK);
  for (int i = 0; i < GOLDEN_IMAGES * GOLDEN_CLASSES; ++i)
    CHECK(fabsf(logits[i] - golden.logits[i / GOLDEN_CLASSES][i % GOLDEN_CLASSES]) < GOLDEN_TOLERANCE);
  CHECK(classes[0] == 3 && best[0] > 0.9f && best[0] <= 1.0f);
  CHECK(info.images == GOLDEN_IMAGES && info.planned == 1 && info.total_ms > 0 && info.context_bytes > 0);

  /* A program built against an older, shorter output struct: its structs lie closer together. */
  struct {
    size_t struct_size;
    const char* name;
    float* values;
    size_t capacity;
  } older[2] = {{sizeof older[0], "logits", logits, GOLDEN_CLASSES}, {sizeof older[0], "pooled", pooled, 64}};
  const residua_input one = input_of(1);
  CHECK(residua_run(model, &one, (const residua_output*)(const void*)older, 2, NULL, &error) == RESIDUA_OK);
  CHECK(fabsf(logits[3] - golden.logits[0][3]) < GOLDEN_TOLERANCE);

  outputs[1].struct_size = 0;
  REFUSED(residua_run(model, &input, outputs, 3, NULL, &error));
  outputs[1].struct_size = sizeof outputs[1];
  REFUSED(residua_run(NULL, &input, outputs, 3, NULL, &error));
  REFUSED(residua_run(model, NULL, outputs, 3, NULL, &error));
  REFUSED(residua_run(model, &input, NULL, 3, NULL, &error));
  REFUSED(residua_run(model, &input, outputs, 0, NULL, &error));
  options.struct_size = 0;
  REFUSED(residua_run(model, &input, outputs, 3, &options, &error));
  options.struct_size = sizeof options;
  options.deadline_ms = NAN;
  REFUSED(residua_run(model, &input, outputs, 3, &options, &error));
  options.deadline_ms = 0;
  info.struct_size = 0;
  REFUSED(residua_run(model, &input, outputs, 3, &options, &error));
  outputs[0].values = NULL;
  REFUSED(residua_run(model, &input, outputs, 3, NULL, &error));
  outputs[0].values = logits;
  outputs[1].indices = NULL;
  REFUSED(residua_run(model, &input, outputs, 3, NULL, &error));
}

struct outcome {
  sem_t done;
  residua_status status;
};

static void finished(void* user, const residua_error* result) {
  struct outcome* outcome = (struct outcome*)user;
  outcome->status = result->status;
  sem_post(&outcome->done);
}

static void check_asynchronous_runs(residua_model* model) {
  float logits[GOLDEN_CLASSES];
  const residua_input input = input_of(1);
  const residua_output output = output_of("", logits, GOLDEN_CLASSES);
  struct outcome outcome;
  sem_init(&outcome.done, 0, 0);
  CHECK(residua_run_async(model, &input, &output, 1, NULL, finished, &outcome, &error) == RESIDUA_OK);
  sem_wait(&outcome.done);
  CHECK(outcome.status == RESIDUA_OK && fabsf(logits[3] - golden.logits[0][3]) < GOLDEN_TOLERANCE);

  residua_cancel_token* token = NULL;
  CHECK(residua_cancel_token_create(&token, &error) == RESIDUA_OK);
  residua_cancel_token_cancel(token);
  residua_run_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.cancel = token;
  CHECK(residua_run_async(model, &input, &output, 1, &options, finished, &outcome, &error) == RESIDUA_OK);
  sem_wait(&outcome.done);
  CHECK(outcome.status == RESIDUA_CANCELLED);
  CHECK(residua_run(model, &input, &output, 1, &options, &error) == RESIDUA_CANCELLED);
  CHECK(error.status == RESIDUA_CANCELLED && error.message[0] != '\0');
  residua_cancel_token_release(token);
  residua_cancel_token_release(NULL);
  residua_cancel_token_cancel(NULL);
  sem_destroy(&outcome.done);

  REFUSED(residua_cancel_token_create(NULL, &error));
  REFUSED(residua_run_async(NULL, &input, &output, 1, NULL, finished, &outcome, &error));
  REFUSED(residua_run_async(model, &input, &output, 1, NULL, NULL, &outcome, &error));
  REFUSED(residua_run_async(model, NULL, &output, 1, NULL, finished, &outcome, &error));
}

static void check_numbers(residua_model* model) {
  residua_counters counters;
  counters.struct_size = sizeof counters;
  CHECK(residua_model_get_counters(model, &counters, &error) == RESIDUA_OK);
  CHECK(counters.runs == 3 && counters.images == GOLDEN_IMAGES + 2 && counters.cancelled == 2);
  CHECK(counters.run_ms > 0 && counters.plans >= 2);
  residua_memory_estimate estimate;
  estimate.struct_size = sizeof estimate;
  CHECK(residua_model_estimate_memory(model, 0, 0, 0, NULL, &estimate, &error) == RESIDUA_OK);
  CHECK(estimate.packed_weight_bytes > 0 && estimate.weights_are_mapped == 0);
  CHECK(estimate.total_bytes == estimate.packed_weight_bytes + estimate.context_bytes + estimate.weight_bytes);
  residua_capabilities can;
  can.struct_size = sizeof can;
  CHECK(residua_get_capabilities(&can, &error) == RESIDUA_OK);
  CHECK(can.cpu_budget == residua_cpu_budget());

  int32_t batch = 0;
  char* text = NULL;
  residua_tensor_info tensor;
  tensor.struct_size = 0;
  residua_allocator allocator;
  memset(&allocator, 0, sizeof allocator);
  residua_context_options options;
  memset(&options, 0, sizeof options);
  REFUSED(residua_get_capabilities(NULL, &error));
  REFUSED(residua_set_allocator(&allocator, &error));
  REFUSED(residua_model_get_counters(NULL, &counters, &error));
  REFUSED(residua_model_get_counters(model, NULL, &error));
  REFUSED(residua_model_estimate_memory(NULL, 1, 0, 0, NULL, &estimate, &error));
  REFUSED(residua_model_estimate_memory(model, -1, 0, 0, NULL, &estimate, &error));
  REFUSED(residua_model_estimate_memory(model, 1, 0, 0, NULL, NULL, &error));
  REFUSED(residua_estimate_memory(NULL, NULL, 1, 0, 0, NULL, &estimate, &error));
  REFUSED(residua_model_prepare(NULL, &batch, 1, 0, 0, NULL, NULL, NULL, &error));
  REFUSED(residua_model_prepare(model, NULL, 1, 0, 0, NULL, NULL, NULL, &error));
  REFUSED(residua_model_prepare(model, &batch, 1, 0, 0, NULL, NULL, NULL, &error));
  REFUSED(residua_model_get_tensor(NULL, 0, 0, 0, &tensor, &error));
  REFUSED(residua_model_get_tensor(model, 0, 0, 0, &tensor, &error));
  REFUSED(residua_model_get_tensor(model, -1, 0, 0, &tensor, &error));
  REFUSED(residua_model_get_tensor(model, 10000, 0, 0, &tensor, &error));
  REFUSED(residua_model_find_tensor(NULL, "logits", 0, 0, &tensor, &error));
  REFUSED(residua_model_find_tensor(model, "logits", 0, 0, NULL, &error));
  REFUSED(residua_model_set_run_options(NULL, NULL, &error));
  REFUSED(residua_model_set_run_options(model, &options, &error));
  REFUSED(residua_context_get_trace(NULL, &text, &error));
  REFUSED(residua_context_write_trace(NULL, "trace.json", &error));
  CHECK(residua_model_set_run_options(model, NULL, &error) == RESIDUA_OK);
}

int main(void) {
  golden_read(&golden);
  residua_model* model = load();
  check_outputs(model);
  check_asynchronous_runs(model);
  check_numbers(model);
  residua_model_release(model);
  if (failures == 0) puts("all well");
  return failures == 0 ? 0 : 1;
}
