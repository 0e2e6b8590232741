/* A C99 program as a user would write it, on the installed headers and the shared library alone. */
#include <residua/residua.h>

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
#define REFUSED(call)                                \
  do {                                               \
    memset(&error, 0, sizeof error);                 \
    CHECK((call) == RESIDUA_INVALID_ARGUMENT);       \
    CHECK(error.status == RESIDUA_INVALID_ARGUMENT); \
    CHECK(error.message[0] != '\0');                 \
  } while (0)

static struct golden golden;
static residua_error error;

static int near(const float* found, const float* expected, int count) {
  for (int i = 0; i < count; ++i) {
    const float difference = found[i] - expected[i];
    if (!(difference < GOLDEN_TOLERANCE && difference > -GOLDEN_TOLERANCE)) {
      fprintf(stderr, "value %d is %.7g: %.7g expected\n", i, (double)found[i], (double)expected[i]);
      return 0;
    }
  }
  return 1;
}

static residua_input input_of(residua_input_format format, const void* data, int32_t batch) {
  residua_input input;
  memset(&input, 0, sizeof input);
  input.struct_size = sizeof input;
  input.format = format;
  input.data = data;
  input.batch = batch;
  input.height = GOLDEN_SIDE;
  input.width = GOLDEN_SIDE;
  return input;
}

static residua_model* load(void) {
  residua_model* model = NULL;
  if (residua_model_load(golden_path("models/resnet20-cifar10.safetensors"), NULL, &model, &error) != RESIDUA_OK) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  CHECK(error.status == RESIDUA_OK && error.message[0] == '\0');
  return model;
}

static void check_information(const residua_model* model) {
  residua_version_info version;
  version.struct_size = sizeof version;
  CHECK(residua_get_version(&version, &error) == RESIDUA_OK);
  CHECK(strcmp(version.version, "0.1.0") == 0);
  CHECK(strstr(version.instruction_sets, version.instruction_set_in_use) != NULL);

  const char* const* names = residua_architectures();
  int known = 0;
  for (int i = 0; names[i] != NULL; ++i) {
    known += strcmp(names[i], "resnet50") == 0;
    CHECK(i == 0 || strcmp(names[i - 1], names[i]) < 0);
  }
  CHECK(known == 1);

  residua_model_info info;
  info.struct_size = sizeof info;
  CHECK(residua_model_get_info(model, &info, &error) == RESIDUA_OK);
  CHECK(strcmp(info.format, "safetensors") == 0);
  CHECK(info.channels == 3 && info.input_height == GOLDEN_SIDE && info.input_width == GOLDEN_SIDE &&
        info.resize == GOLDEN_SIDE);
  CHECK(info.classes == GOLDEN_CLASSES && info.label_count == GOLDEN_CLASSES && info.outputs_are_probabilities == 0);
  CHECK(info.parameters > 200000 && info.parameters < 300000);
  CHECK(strcmp(residua_model_label(model, 0), "airplane") == 0);
  CHECK(residua_model_label(model, -1) == NULL && residua_model_label(model, GOLDEN_CLASSES) == NULL);
  CHECK(residua_model_label(NULL, 0) == NULL);

  /* A program built against an older, shorter struct: what it does not know of stays untouched. */
  residua_model_info older;
  memset(&older, 0x5A, sizeof older);
  older.struct_size = offsetof(residua_model_info, classes);
  CHECK(residua_model_get_info(model, &older, &error) == RESIDUA_OK);
  CHECK(older.struct_size == offsetof(residua_model_info, classes));
  CHECK(older.channels == 3 && older.classes == 0x5A5A5A5A);
}

static void check_run(residua_model* model) {
  residua_context* context = NULL;
  CHECK(residua_context_create(model, NULL, &context, &error) == RESIDUA_OK);
  float output[GOLDEN_IMAGES][GOLDEN_CLASSES];
  const size_t room = GOLDEN_IMAGES * GOLDEN_CLASSES;

  residua_input input = input_of(RESIDUA_FLOAT32_NCHW, golden.nchw, 1);
  CHECK(residua_context_run(context, &input, output[0], room, &error) == RESIDUA_OK);
  CHECK(near(output[0], golden.logits[0], GOLDEN_CLASSES));

  input = input_of(RESIDUA_FLOAT32_NCHW, golden.nchw, GOLDEN_IMAGES);
  CHECK(residua_context_run(context, &input, output[0], room, &error) == RESIDUA_OK);
  CHECK(near(output[0], golden.logits[0], GOLDEN_IMAGES * GOLDEN_CLASSES));

  input = input_of(RESIDUA_UINT8_NHWC, golden.nhwc, GOLDEN_IMAGES);
  CHECK(residua_context_run(context, &input, output[0], room, &error) == RESIDUA_OK);
  CHECK(near(output[0], golden.logits[0], GOLDEN_IMAGES * GOLDEN_CLASSES));

  int32_t best[3] = {-1, -1, -1};
  residua_top_k(output[0], GOLDEN_CLASSES, 3, best);
  CHECK(best[0] == 3 && best[1] == 5 && best[2] == 6);
  residua_softmax(output[0], GOLDEN_IMAGES, GOLDEN_CLASSES, output[0]);
  for (int i = 0; i < GOLDEN_IMAGES; ++i) {
    float sum = 0;
    for (int k = 0; k < GOLDEN_CLASSES; ++k) sum += output[i][k];
    CHECK(sum > 0.99999f && sum < 1.00001f);
  }

  residua_run_info run;
  run.struct_size = sizeof run;
  CHECK(residua_context_get_run_info(context, &run, &error) == RESIDUA_OK);
  CHECK(run.threads >= 1 && run.workers >= 1 && run.layer_count >= 1 && run.schedule != RESIDUA_AUTO);
  CHECK(run.arena_bytes >= run.arena_lower_bound && run.gflop_per_image > 0.08);
  residua_layer_info layer;
  layer.struct_size = sizeof layer;
  CHECK(residua_context_get_layer(context, run.layer_count - 1, &layer, &error) == RESIDUA_OK);
  CHECK(layer.op[0] != '\0' && layer.implementation[0] != '\0');
  REFUSED(residua_context_get_layer(context, run.layer_count, &layer, &error));
  REFUSED(residua_context_get_layer(context, -1, &layer, &error));

  /* The context keeps its model alive. */
  residua_model_release(model);
  input = input_of(RESIDUA_UINT8_NHWC, golden.nhwc, GOLDEN_IMAGES);
  CHECK(residua_context_run(context, &input, output[0], room, &error) == RESIDUA_OK);
  CHECK(near(output[0], golden.logits[0], GOLDEN_IMAGES * GOLDEN_CLASSES));
  residua_context_release(context);
}

static void check_describe_and_preprocess(const residua_model* model) {
  char* text = NULL;
  CHECK(residua_model_describe(model, RESIDUA_PLANNED, RESIDUA_JSON, 0, 0, 0, NULL, &text, &error) == RESIDUA_OK);
  CHECK(text != NULL && text[0] == '{');
  residua_text_free(text);

  /* An image of the model's own size is left as it is, whatever the stride. */
  static uint8_t strided[GOLDEN_SIDE][GOLDEN_SIDE * 3 + 5];
  static uint8_t output[GOLDEN_PIXELS * 3];
  for (int y = 0; y < GOLDEN_SIDE; ++y) memcpy(strided[y], golden.nhwc[0][y * GOLDEN_SIDE], GOLDEN_SIDE * 3);
  CHECK(residua_preprocess(model, strided[0], GOLDEN_SIDE, GOLDEN_SIDE, sizeof strided[0], output, &error) ==
        RESIDUA_OK);
  CHECK(memcmp(output, golden.nhwc[0], sizeof output) == 0);
}

static void check_resize_and_ten_crops(const residua_model* model) {
  static uint8_t resized[GOLDEN_PIXELS * 3 * 4];
  residua_image image = {0}, crops[RESIDUA_TEN_CROPS] = {{0}};
  int32_t width = 0, height = 0;
  CHECK(residua_resized_size(model, GOLDEN_SIDE, GOLDEN_SIDE, 2 * GOLDEN_SIDE, &width, &height, &error) == RESIDUA_OK);
  CHECK(width == 2 * GOLDEN_SIDE && height == 2 * GOLDEN_SIDE);
  CHECK(residua_resize(model, golden.nhwc[0][0], GOLDEN_SIDE, GOLDEN_SIDE, GOLDEN_SIDE * 3, 2 * GOLDEN_SIDE, resized,
                       &error) == RESIDUA_OK);
  image.struct_size = sizeof image;
  image.data = resized;
  image.height = height;
  image.width = width;
  crops[0].struct_size = sizeof crops[0];
  CHECK(residua_ten_crops(RESIDUA_UINT8_NHWC, &image, GOLDEN_SIDE, GOLDEN_SIDE, crops, &error) == RESIDUA_OK);
  CHECK(crops[0].data == resized && crops[9].struct_size == sizeof crops[0] && crops[9].pixel_stride == -3);
  CHECK(crops[3].data == resized + (GOLDEN_SIDE * width + GOLDEN_SIDE) * 3);

  REFUSED(residua_resized_size(NULL, 32, 32, 0, &width, &height, &error));
  REFUSED(residua_resized_size(model, 32, 32, 0, NULL, &height, &error));
  REFUSED(residua_resized_size(model, 0, 32, 0, &width, &height, &error));
  REFUSED(residua_resize(model, NULL, 32, 32, 96, 0, resized, &error));
  REFUSED(residua_resize(model, resized, 32, 32, 95, 0, resized, &error));
  REFUSED(residua_resize(model, resized, 32, 32, 96, 32769, resized, &error));
  REFUSED(residua_ten_crops(RESIDUA_UINT8_NHWC, NULL, 1, 1, crops, &error));
  REFUSED(residua_ten_crops(RESIDUA_UINT8_NHWC, &image, 1, 1, NULL, &error));
  REFUSED(residua_ten_crops(RESIDUA_UINT8_NHWC, &image, 1, 1 + width, crops, &error));
  crops[0].struct_size = 0;
  REFUSED(residua_ten_crops(RESIDUA_UINT8_NHWC, &image, 1, 1, crops, &error));
}

static void check_misuse_of_models(residua_model* model) {
  residua_model* none = NULL;
  char* text = NULL;
  double rate = 0;
  uint8_t pixels[GOLDEN_PIXELS * 3] = {0};
  const char* path = golden_path("models/resnet20-cifar10.safetensors");
  residua_load_options load_options;
  memset(&load_options, 0, sizeof load_options); /* struct_size 0 */
  residua_version_info version;
  memset(&version, 0, sizeof version);
  residua_model_info info;
  memset(&info, 0, sizeof info);

  REFUSED(residua_get_version(NULL, &error));
  REFUSED(residua_get_version(&version, &error));
  REFUSED(residua_measure_peak(-1, &rate, &error));
  REFUSED(residua_measure_peak(1, NULL, &error));
  REFUSED(residua_model_load(NULL, NULL, &none, &error));
  REFUSED(residua_model_load(path, NULL, NULL, &error));
  REFUSED(residua_model_load(path, &load_options, &none, &error));
  REFUSED(residua_model_create_random(NULL, 1, &none, &error));
  REFUSED(residua_model_create_random("resnet18", 1, NULL, &error));
  REFUSED(residua_model_create_random("resnet51", 1, &none, &error));
  REFUSED(residua_model_create_random_with_options("resnet18", 1, &load_options, &none, &error));
  REFUSED(residua_model_get_info(NULL, &info, &error));
  REFUSED(residua_model_get_info(model, NULL, &error));
  REFUSED(residua_model_get_info(model, &info, &error));
  REFUSED(residua_model_describe(NULL, RESIDUA_IMPORTED, RESIDUA_TEXT, 0, 0, 0, NULL, &text, &error));
  REFUSED(residua_model_describe(model, RESIDUA_IMPORTED, RESIDUA_TEXT, 0, 0, 0, NULL, NULL, &error));
  REFUSED(residua_model_describe(model, (residua_stage)9, RESIDUA_TEXT, 0, 0, 0, NULL, &text, &error));
  REFUSED(residua_model_describe(model, RESIDUA_IMPORTED, (residua_text_format)9, 0, 0, 0, NULL, &text, &error));
  REFUSED(residua_model_describe(model, RESIDUA_PLANNED, RESIDUA_TEXT, -1, 0, 0, NULL, &text, &error));
  int32_t batch = 0;
  REFUSED(residua_model_pack(NULL, "m.residua", NULL, 0, 0, 0, NULL, &error));
  REFUSED(residua_model_pack(model, NULL, NULL, 0, 0, 0, NULL, &error));
  REFUSED(residua_model_pack(model, "m.residua", NULL, 1, 0, 0, NULL, &error));
  REFUSED(residua_model_pack(model, "m.residua", &batch, 1, 0, 0, NULL, &error));
  REFUSED(residua_model_pack(model, "m.residua", NULL, 0, -1, 0, NULL, &error));
  load_options.struct_size = sizeof load_options;
  load_options.cache = 2;
  REFUSED(residua_model_load(path, &load_options, &none, &error));
  REFUSED(residua_preprocess(NULL, pixels, 32, 32, 96, pixels, &error));
  REFUSED(residua_preprocess(model, NULL, 32, 32, 96, pixels, &error));
  REFUSED(residua_preprocess(model, pixels, 0, 32, 96, pixels, &error));
  REFUSED(residua_preprocess(model, pixels, 32, -1, 96, pixels, &error));
  REFUSED(residua_preprocess(model, pixels, 32, 32, 95, pixels, &error));
  REFUSED(residua_preprocess(model, pixels, 32, 32, 96, NULL, &error));
  CHECK(none == NULL && text == NULL);

  /* Without room for a message, still without a crash. */
  CHECK(residua_model_load(NULL, NULL, &none, NULL) == RESIDUA_INVALID_ARGUMENT);
  CHECK(residua_model_load("no/such/file", NULL, &none, &error) == RESIDUA_IO);
  CHECK(strstr(error.message, "no/such/file") != NULL);
  CHECK(residua_model_load(golden_path("tests/golden/cifar10_first8_logits.txt"), NULL, &none, &error) != RESIDUA_OK);
  residua_model_release(NULL);
  residua_text_free(NULL);
}

static void check_misuse_of_contexts(residua_model* model) {
  residua_context* context = NULL;
  residua_context_options options;
  memset(&options, 0, sizeof options);
  REFUSED(residua_context_create(NULL, NULL, &context, &error));
  REFUSED(residua_context_create(model, NULL, NULL, &error));
  REFUSED(residua_context_create(model, &options, &context, &error)); /* struct_size 0 */
  options.struct_size = sizeof options;
  options.threads = -1;
  REFUSED(residua_context_create(model, &options, &context, &error));
  options.threads = 1;
  options.schedule = (residua_schedule)9;
  REFUSED(residua_context_create(model, &options, &context, &error));
  options.schedule = RESIDUA_AUTO;
  options.tune = 2;
  REFUSED(residua_context_create(model, &options, &context, &error));
  options.tune = 0;
  CHECK(residua_context_create(model, &options, &context, &error) == RESIDUA_OK);

  float output[GOLDEN_CLASSES];
  residua_input input = input_of(RESIDUA_UINT8_NHWC, golden.nhwc, 1);
  REFUSED(residua_context_run(NULL, &input, output, GOLDEN_CLASSES, &error));
  REFUSED(residua_context_run(context, NULL, output, GOLDEN_CLASSES, &error));
  REFUSED(residua_context_run(context, &input, NULL, GOLDEN_CLASSES, &error));
  REFUSED(residua_context_run(context, &input, output, GOLDEN_CLASSES - 1, &error));
  input.struct_size = 0;
  REFUSED(residua_context_run(context, &input, output, GOLDEN_CLASSES, &error));
  input = input_of((residua_input_format)9, golden.nhwc, 1);
  REFUSED(residua_context_run(context, &input, output, GOLDEN_CLASSES, &error));
  input = input_of(RESIDUA_UINT8_NHWC, NULL, 1);
  REFUSED(residua_context_run(context, &input, output, GOLDEN_CLASSES, &error));
  input = input_of(RESIDUA_UINT8_NHWC, golden.nhwc, 0);
  REFUSED(residua_context_run(context, &input, output, GOLDEN_CLASSES, &error));
  input = input_of(RESIDUA_UINT8_NHWC, golden.nhwc, 1);
  input.width = 0;
  REFUSED(residua_context_run(context, &input, output, GOLDEN_CLASSES, &error));

  residua_run_info run;
  run.struct_size = sizeof run;
  REFUSED(residua_context_get_run_info(NULL, &run, &error));
  REFUSED(residua_context_get_run_info(context, NULL, &error));
  run.struct_size = 0;
  REFUSED(residua_context_get_run_info(context, &run, &error));

  /* None of that has harmed it. */
  input = input_of(RESIDUA_UINT8_NHWC, golden.nhwc, 1);
  CHECK(residua_context_run(context, &input, output, GOLDEN_CLASSES, &error) == RESIDUA_OK);
  CHECK(near(output, golden.logits[0], GOLDEN_CLASSES));
  residua_context_release(context);
  residua_context_release(NULL);
}

int main(void) {
  golden_read(&golden);
  residua_model* model = load();
  check_information(model);
  check_describe_and_preprocess(model);
  check_resize_and_ten_crops(model);
  check_misuse_of_models(model);
  check_misuse_of_contexts(model);
  check_run(model); /* gives the model back */
  if (failures == 0) puts("all well");
  return failures == 0 ? 0 : 1;
}
