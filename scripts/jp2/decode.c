/* JPEG 2000 for a WebAssembly sandbox: a file in memory becomes planes of samples.
 *
 * One instance decodes one file and is thrown away, so memory is not freed. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "openjpeg.h"

#define EXPORT(name) __attribute__((export_name(name)))

/* Limits that do not depend on the file. */
enum { MAX_COMPONENTS = 16, MAX_TEXTS = 1024 };

/* What is read from outside. All fields are numbers of 32 bits. */
struct component {
	uint32_t dx, dy, x0, y0, width, height, bits, is_signed, alpha, data;
};
struct answer {
	uint32_t x0, y0, x1, y1, colours, count;
	uint32_t errors, warnings; /* texts: lines, each ends with a line feed */
	struct component components[MAX_COMPONENTS];
};

static struct answer answer;
static char errors[MAX_TEXTS], warnings[MAX_TEXTS];

static void note(char *to, const char *text)
{
	size_t used = strlen(to), n = strlen(text);
	if (n < MAX_TEXTS - used)
		memcpy(to + used, text, n + 1);
}
static void on_error(const char *text, void *to) { note(to, text); }
static void on_warning(const char *text, void *to) { note(to, text); }

struct input {
	const uint8_t *data;
	size_t size, at;
};

static OPJ_SIZE_T read_input(void *to, OPJ_SIZE_T n, void *user)
{
	struct input *in = user;
	size_t left = in->size - in->at;
	if (left == 0)
		return (OPJ_SIZE_T)-1;
	if (n > left)
		n = left;
	memcpy(to, in->data + in->at, n);
	in->at += n;
	return n;
}

static OPJ_OFF_T skip_input(OPJ_OFF_T n, void *user)
{
	struct input *in = user;
	if (n < 0)
		return -1;
	OPJ_OFF_T left = (OPJ_OFF_T)(in->size - in->at);
	if (n > left)
		n = left;
	in->at += (size_t)n;
	return n;
}

static OPJ_BOOL seek_input(OPJ_OFF_T to, void *user)
{
	struct input *in = user;
	if (to < 0 || to > (OPJ_OFF_T)in->size)
		return OPJ_FALSE;
	in->at = (size_t)to;
	return OPJ_TRUE;
}

static opj_stream_t *open_stream(struct input *in)
{
	opj_stream_t *s = opj_stream_default_create(OPJ_TRUE);
	if (!s)
		return NULL;
	opj_stream_set_read_function(s, read_input);
	opj_stream_set_skip_function(s, skip_input);
	opj_stream_set_seek_function(s, seek_input);
	opj_stream_set_user_data(s, in, NULL);
	opj_stream_set_user_data_length(s, in->size);
	return s;
}

static void describe(const opj_image_t *m)
{
	answer.x0 = m->x0;
	answer.y0 = m->y0;
	answer.x1 = m->x1;
	answer.y1 = m->y1;
	answer.colours = (uint32_t)m->color_space;
	answer.count = m->numcomps;
	for (uint32_t i = 0; i < m->numcomps && i < MAX_COMPONENTS; i++) {
		const opj_image_comp_t *c = &m->comps[i];
		answer.components[i] = (struct component){
			c->dx, c->dy, c->x0, c->y0, c->w, c->h, c->prec, c->sgnd, c->alpha, (uint32_t)(uintptr_t)c->data,
		};
	}
}

static uint32_t run(struct input *in, int raw, uint32_t width, uint32_t height)
{
	opj_dparameters_t parameters;
	opj_codec_t *codec = opj_create_decompress(raw ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
	opj_stream_t *stream = open_stream(in);
	opj_image_t *image = NULL;
	if (!codec || !stream)
		return 0;
	opj_set_default_decoder_parameters(&parameters);
	opj_set_error_handler(codec, on_error, errors);
	opj_set_warning_handler(codec, on_warning, warnings);
	if (!opj_setup_decoder(codec, &parameters) || !opj_read_header(stream, codec, &image))
		return 0;
	describe(image);
	if (image->numcomps > MAX_COMPONENTS || image->x1 - image->x0 != width || image->y1 - image->y0 != height)
		return 2; /* before memory for pixels is taken */
	if (!opj_decode(codec, stream, image) || !opj_end_decompress(codec, stream))
		return 0;
	describe(image);
	return 1;
}

/* decode returns 1 for success, 2 for a codestream that has not the size or the components that the
 * caller expects, 0 for other failures. */
EXPORT("decode")
uint32_t decode(const uint8_t *data, uint32_t size, uint32_t raw, uint32_t width, uint32_t height)
{
	struct input in = {data, size, 0};
	answer.errors = (uint32_t)(uintptr_t)errors;
	answer.warnings = (uint32_t)(uintptr_t)warnings;
	return run(&in, (int)raw, width, height);
}

EXPORT("answer")
uint32_t answer_at(void) { return (uint32_t)(uintptr_t)&answer; }

/* The sandbox calls fd_close in loops, so the module must import it. */
EXPORT("import")
uint32_t import(void) { return (uint32_t)close(-1); }
