/* What both versions of FMI share: the equations, their events and their exact solution. */
#include "linear.h"
#include <math.h>
#include <string.h>

double cell[CELLS], slope[M + 1];
static double start;
static bool above;

void started(void) {
    memset(cell, 0, sizeof cell);
    memset(slope, 0, sizeof slope);
    cell[GAIN] = 1;
    cell[LEVEL] = 1e9;
}

static bool over(void) { return N && cell[X] >= cell[LEVEL]; }

void begin(void) {
    start = now;
    memcpy(&cell[X], &cell[X0], N * sizeof *cell);
    above = over();
}

/* result += factor * matrix * vector */
static void add(double *result, int rows, int matrix, int columns, const double *vector,
                double factor) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            result[i] += factor * cell[matrix + i * columns + j] * vector[j];
}

void refresh(void) {
    cell[TIME] = now;
    cell[Z] = N ? cell[X] - cell[LEVEL] : 0;
    memset(&cell[DX], 0, N * sizeof *cell);
    memset(&cell[Y], 0, P * sizeof *cell);
    add(&cell[DX], N, A, N, &cell[X], 1);
    add(&cell[DX], N, B, M, &cell[U], cell[GAIN]);
    add(&cell[Y], P, C, N, &cell[X], 1);
    add(&cell[Y], P, D, M, &cell[U], cell[GAIN]);
}

double next_tick(void) {
    return cell[PERIOD] > 0 ? start + (cell[TICK] + 1) * cell[PERIOD] : INFINITY;
}

bool due(void) { return now >= next_tick() || over() != above; }

bool update(void) {
    for (; now >= next_tick(); cell[TICK]++) cell[GAIN] = -cell[GAIN];
    bool crossed = over() && !above;
    if (crossed) {
        cell[COUNT]++;
        cell[X] = cell[BACK];
    }
    above = over();
    return crossed;
}

/* A step so short that its Taylor series converges at once: x + x' h + x'' h^2/2 + ... */
static void series(double h) {
    double term[N + 1], next[N + 1];
    refresh();
    for (int i = 0; i < N; i++) term[i] = cell[DX + i] * h;
    for (int k = 2; k < 20; k++) {
        memset(next, 0, sizeof next);
        add(next, N, A, N, term, h / k);
        if (k == 2) add(next, N, B, M, slope, cell[GAIN] * h * h / 2);
        for (int i = 0; i < N; i++) cell[X + i] += term[i];
        memcpy(term, next, sizeof term);
    }
    for (int i = 0; i < M; i++) cell[U + i] += slope[i] * h;
}

static void flow(double h) {
    double size = 0;
    for (int i = 0; i < N * N; i++) size += fabs(cell[A + i]);
    int parts = 1 + (int)(2 * size * h);
    for (int i = 0; i < parts; i++) series(h / parts);
}

void solve(double end, bool stop_at_ticks) {
    while (now < end) {
        double to = fmin(next_tick(), end);
        flow(to - now);
        now = to;
        if (stop_at_ticks) return;
        update();
    }
}
