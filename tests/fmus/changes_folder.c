/* Leaves its folder, and files behind. */
#include <stdio.h>
#include <unistd.h>
#include "fmu.h"
void started(void) {
    FILE *left = fopen("left-behind.txt", "w");
    v[0] = left != 0;
    if (left) fclose(left);
    if (chdir("/")) v[0] = 0;
}
