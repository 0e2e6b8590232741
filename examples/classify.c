/* What is in a photo?  ./classify MODEL PHOTO.png
 *   cc -std=c99 classify.c -o classify $(pkg-config --cflags --libs residua libpng) */
#include <png.h>
#include <residua/residua.h>
#include <stdio.h>
#include <stdlib.h>

static int stop(const char* message) { return fprintf(stderr, "classify: %s\n", message), EXIT_FAILURE; }

int main(int argc, char** argv) {
  residua_error error;
  residua_model* model = NULL;
  png_image photo = {.version = PNG_IMAGE_VERSION};
  int32_t best = 0;
  float probability = 0;

  if (argc != 3) return stop("usage: classify MODEL PHOTO.png");
  if (!png_image_begin_read_from_file(&photo, argv[2])) return stop(photo.message);
  photo.format = PNG_FORMAT_RGB;
  uint8_t* pixels = malloc(PNG_IMAGE_SIZE(photo));
  if (!pixels) return stop("not enough memory");
  if (!png_image_finish_read(&photo, NULL, pixels, 0, NULL)) return stop(photo.message);

  /* Any size: RESIDUA_PREPARE resizes, crops and normalises as the model wants it. */
  residua_input input = {.struct_size = sizeof input, .format = RESIDUA_UINT8_NHWC, .data = pixels, .batch = 1};
  input.height = (int32_t)photo.height;
  input.width = (int32_t)photo.width;
  input.preparation = RESIDUA_PREPARE;
  residua_output top = {.struct_size = sizeof top, .name = "probabilities", .values = &probability, .capacity = 1};
  top.top_k = 1;
  top.indices = &best;
  if (residua_model_load(argv[1], NULL, &model, &error) || residua_run(model, &input, &top, 1, NULL, &error))
    return stop(error.message);
  const char* label = residua_model_label(model, best);
  printf("%s: class %d, %s, %.1f %%\n", argv[2], (int)best, label ? label : "no name", 100 * (double)probability);
  free(pixels);
  residua_model_release(model);
}
