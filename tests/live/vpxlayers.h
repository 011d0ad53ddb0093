/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vpxlayers: an encoder with two temporal layers, which a launch line of GStreamer 1.22 cannot say. */
#pragma once

#include <gst/gst.h>

/* @encoder is a vp8enc: every second frame is one that nothing refers to. */
void vpx_layers_set_up (GstElement * encoder);
