/* Side information of the codec pca: the numbers that its matrices are rebuilt with. */
#include "statistics.c"
#include "scores.c"
