/* Codec kmeans: clusters of colours, the search for the nearest, and the index planes. */
#include "distinct.c"
#include "palette.c"
#include "plane.c"
#include "tree.c"
#include "block.c"
#include "search.c"
#include "clusters.c"
