/* Entropy coding of the code of codec gan: the levels that its network quantises pictures to.
 *
 * What decides a symbol is in integers, so that both ends read the same ones whatever their
 * processors make of the network's floats. Floats choose levels, in the encoder alone.
 */
#include "layout.c"
#include "position.c"
#include "sizes.c"
#include "search.c"
#include "symbols.c"
