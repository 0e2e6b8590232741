/* The first images of CIFAR-10's test set, and what PyTorch's logits of the bundled model are for them. C99 and C++. */
#ifndef RESIDUA_TESTS_API_GOLDEN_H
#define RESIDUA_TESTS_API_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GOLDEN_IMAGES = 8, GOLDEN_CLASSES = 10, GOLDEN_SIDE = 32, GOLDEN_PIXELS = GOLDEN_SIDE * GOLDEN_SIDE };

/* Sums in float32 in another order than PyTorch's; logits are of size 1 to 10. */
#define GOLDEN_TOLERANCE 1e-4f

struct golden {
  uint8_t nhwc[GOLDEN_IMAGES][GOLDEN_PIXELS][3];
  float nchw[GOLDEN_IMAGES][3][GOLDEN_PIXELS]; /* normalised as the model's card says */
  float logits[GOLDEN_IMAGES][GOLDEN_CLASSES];
};

/* RESIDUA_SOURCE_ROOT/name, in a buffer that the next call reuses. */
static inline const char* golden_path(const char* name) {
  enum { room = 4096 };
  static char path[room];
  const char* root = getenv("RESIDUA_SOURCE_ROOT");
  if (!root || snprintf(path, room, "%s/%s", root, name) >= room) {
    fprintf(stderr, "RESIDUA_SOURCE_ROOT is not set: run through `meson test`\n");
    exit(1);
  }
  return path;
}

static inline FILE* golden_open(const char* name) {
  FILE* file = fopen(golden_path(name), "rb");
  if (!file) {
    fprintf(stderr, "%s cannot be opened\n", golden_path(name));
    exit(1);
  }
  return file;
}

/* Fills `golden`, or ends the program. */
static inline void golden_read(struct golden* golden) {
  static const float mean[3] = {0.485f, 0.456f, 0.406f};
  static const float deviation[3] = {0.229f, 0.224f, 0.225f};
  uint8_t record[1 + 3 * GOLDEN_PIXELS]; /* the label, then plane by plane */
  FILE* images = golden_open("tests/golden/cifar10_first8.bin");
  FILE* logits = golden_open("tests/golden/cifar10_first8_logits.txt");
  for (int i = 0; i < GOLDEN_IMAGES; ++i) {
    int complete = fread(record, sizeof record, 1, images) == 1;
    for (int c = 0; c < 3; ++c) {
      for (int p = 0; p < GOLDEN_PIXELS; ++p) {
        const uint8_t value = record[1 + c * GOLDEN_PIXELS + p];
        golden->nhwc[i][p][c] = value;
        golden->nchw[i][c][p] = (value / 255.0f - mean[c]) / deviation[c];
      }
    }
    for (int k = 0; k < GOLDEN_CLASSES; ++k) complete = complete && fscanf(logits, "%f", &golden->logits[i][k]) == 1;
    if (!complete) {
      fprintf(stderr, "golden files are cut short\n");
      exit(1);
    }
  }
  fclose(images);
  fclose(logits);
}

#endif
