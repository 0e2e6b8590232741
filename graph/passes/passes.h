// Every pass, by name; pipeline.cpp gives their order and promises. Each takes a verified graph.
#pragma once

#include "graph/graph.h"

namespace residua::graph {

Graph remove_dead(Graph graph);
Graph fold_shape_arithmetic(Graph graph);
Graph fold_constants(Graph graph);
Graph remove_noops(Graph graph);
Graph merge_slices(Graph graph);
Graph merge_channels(Graph graph);
Graph canonical_reshape(Graph graph);
Graph canonical_input_layout(Graph graph);
Graph canonical_pooling(Graph graph);
Graph canonical_classifier(Graph graph);
Graph fold_padding(Graph graph);
Graph fold_batch_norm(Graph graph);
Graph fuse_group_norm(Graph graph);
Graph fuse_channel_gate(Graph graph);
Graph fuse_residual_add(Graph graph);
Graph fuse_relu(Graph graph);

}  // namespace residua::graph
