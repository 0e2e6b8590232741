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
  residua_context* context = NULL;
  residua_model_info info = {.struct_size = sizeof info};
  png_image photo = {.version = PNG_IMAGE_VERSION};
  int32_t best = 0;

  if (argc != 3) return stop("usage: classify MODEL PHOTO.png");
  if (residua_model_load(argv[1], NULL, &model, &error) || residua_model_get_info(model, &info, &error) ||
      residua_context_create(model, NULL, &context, &error))
    return stop(error.message);
  if (!png_image_begin_read_from_file(&photo, argv[2])) return stop(photo.message);
  photo.format = PNG_FORMAT_RGB;
  uint8_t* pixels = malloc(PNG_IMAGE_SIZE(photo));
  uint8_t* image = malloc((size_t)info.input_height * (size_t)info.input_width * 3);
  float* values = malloc((size_t)info.classes * sizeof *values);
  if (!pixels || !image || !values) return stop("not enough memory");
  if (!png_image_finish_read(&photo, NULL, pixels, 0, NULL)) return stop(photo.message);

  residua_input input = {sizeof input, RESIDUA_UINT8_NHWC, image, 1, info.input_height, info.input_width};
  if (residua_preprocess(model, pixels, (int32_t)photo.width, (int32_t)photo.height, photo.width * 3, image, &error) ||
      residua_context_run(context, &input, values, (size_t)info.classes, &error))
    return stop(error.message);
  residua_softmax(values, 1, (size_t)info.classes, values);
  residua_top_k(values, (size_t)info.classes, 1, &best);
  printf("%s: class %d, %s, %.1f %%\n", argv[2], (int)best, residua_model_label(model, best),
         100 * (double)values[best]);
  free(values), free(image), free(pixels), residua_context_release(context), residua_model_release(model);
}
