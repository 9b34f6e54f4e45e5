/* Codec kmeans: clusters of colours, the search for the nearest, and the index planes. */
#include "block.c"
#include "tree.c"
#include "search.c"
#include "clusters.c"
#include "distinct.c"
#include "palette.c"
#include "plane.c"
