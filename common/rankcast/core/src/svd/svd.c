/* Codec svd: coded factors (contexts.h, decoder.c, encoder.c), samples in and out of matrices
 * (samples.c), the cosine transform that the decoder turns back (transform.c), and the product of the
 * factors (product.c).
 */
#include "decoder.c"
#include "encoder.c"
#include "product.c"
#include "samples.c"
#include "transform.c"
