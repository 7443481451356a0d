/* The method for stiff models: Radau IIA of order 5, implicit and L-stable.

   Source: Hairer, Wanner: Solving Ordinary Differential Equations II. 2nd ed., Springer, 1996,
   section IV.8. The stages' increments z = h (A x I) f(x + z) are found by a simplified Newton
   iteration. Its matrix comes from differences at the beginning of each attempt and is solved for
   all stages at once: the states are few, and nothing has to be kept from step to step. */
#include <float.h>
#include <math.h>

#include "method.h"

#define STAGES 3
#define N (STAGES * NX)
#define ITERATIONS 12
#define CONVERGED 1e-3 /* of the tolerance */
#define SQRT6 2.449489742783178
#define GAMMA 0.2748888295956773 /* (6 + 81^(1/3) - 9^(1/3)) / 30, the inverse of A's real one */

_Static_assert(N_STATES <= 64, "too many states for dense matrices on the stack");

const double DOUBLE_BELOW = 1. / 32; /* doubling a step multiplies its error by 2^4 */

static const double C[STAGES] = {(4 - SQRT6) / 10, (4 + SQRT6) / 10, 1};

static const double A[STAGES][STAGES] = {
    {(88 - 7 * SQRT6) / 360, (296 - 169 * SQRT6) / 1800, (-2 + 3 * SQRT6) / 225},
    {(296 + 169 * SQRT6) / 1800, (88 + 7 * SQRT6) / 360, (-2 - 3 * SQRT6) / 225},
    {(16 - SQRT6) / 36, (16 + SQRT6) / 36, 1. / 9},
};

/* Weights of the increments in the embedded formula of order 3 (equation 8.18). */
static const double E[STAGES] = {GAMMA / 3 * (-13 - 7 * SQRT6), GAMMA / 3 * (-13 + 7 * SQRT6),
                                 -GAMMA / 3};

/* LU decomposition of the n by n matrix a, with its rows' order; false where it is singular. */
static bool decompose(int n, double a[], int order[])
{
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[best * n + k]))
                best = i;
        if (!(fabs(a[best * n + k]) > 0 && isfinite(a[best * n + k])))
            return false;
        order[k] = best;
        for (int j = 0; j < n; j++) {
            double swapped = a[k * n + j];
            a[k * n + j] = a[best * n + j];
            a[best * n + j] = swapped;
        }
        for (int i = k + 1; i < n; i++) {
            double factor = a[i * n + k] /= a[k * n + k];
            if (factor != 0)
                for (int j = k + 1; j < n; j++)
                    a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return true;
}

/* Replace b by the solution of the decomposed system. */
static void solve(int n, const double a[], const int order[], double b[])
{
    for (int k = 0; k < n; k++) {
        double swapped = b[order[k]];
        b[order[k]] = b[k];
        b[k] = swapped;
    }
    for (int i = 1; i < n; i++)
        for (int j = 0; j < i; j++)
            b[i] -= a[i * n + j] * b[j];
    for (int i = n - 1; i >= 0; i--) {
        for (int j = i + 1; j < n; j++)
            b[i] -= a[i * n + j] * b[j];
        b[i] /= a[i * n + i];
    }
}

static void jacobian(Variables *m, const Point *p, const double k[], double J[NX][NX])
{
    double x[NX], changed[NX];
    for (int i = 0; i < N_STATES; i++)
        x[i] = p->x[i];
    for (int j = 0; j < N_STATES; j++) {
        x[j] += sqrt(DBL_EPSILON) * fmax(fabs(x[j]), 1e-3 * NOMINALS[j]);
        slope(m, p->time, x, changed);
        for (int i = 0; i < N_STATES; i++)
            J[i][j] = (changed[i] - k[i]) / (x[j] - p->x[j]);
        x[j] = p->x[j];
    }
}

/* z less h (A x I) f(x + z), negated: what Newton's iteration makes zero. */
static void residual(Variables *m, const Point *p, double h, double z[STAGES][NX], double r[])
{
    double x[NX], k[STAGES][NX];
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < N_STATES; i++)
            x[i] = p->x[i] + z[stage][i];
        slope(m, p->time + C[stage] * h, x, k[stage]);
    }
    for (int stage = 0; stage < STAGES; stage++)
        for (int i = 0; i < N_STATES; i++) {
            double sum = 0;
            for (int j = 0; j < STAGES; j++)
                sum += A[stage][j] * k[j][i];
            r[stage * N_STATES + i] = h * sum - z[stage][i];
        }
}

/* The increments z of all stages; false where the iteration does not converge. */
static bool iterate(Variables *m, const Point *p, double h, double tolerance, double J[NX][NX],
                    double z[STAGES][NX])
{
    const int n = STAGES * N_STATES;
    double matrix[N * N], delta[N], before = 0;
    int order[N];
    for (int row = 0; row < n; row++)
        for (int column = 0; column < n; column++)
            matrix[row * n + column] =
                (row == column) - h * A[row / NX][column / NX] * J[row % NX][column % NX];
    if (!decompose(n, matrix, order))
        return false;
    for (int iteration = 0; iteration < ITERATIONS; iteration++) {
        double change = 0, rate;
        residual(m, p, h, z, delta);
        solve(n, matrix, order, delta);
        for (int stage = 0; stage < STAGES; stage++) {
            for (int i = 0; i < N_STATES; i++)
                z[stage][i] += delta[stage * N_STATES + i];
            change = fmax(change, in_tolerances(&delta[stage * N_STATES], p, p->x, tolerance));
        }
        rate = iteration == 0 ? 0.5 : change / before;
        if (change == 0 || (rate < 1 && rate / (1 - rate) * change <= CONVERGED))
            return true;
        if (!(rate < 1))
            return false;
        before = change;
    }
    return false;
}

/* The error of order 3 (equations 8.19 and 8.20), filtered so that it is bounded for stiff parts. */
static double estimate(Variables *m, const Point *p, double h, double tolerance, double J[NX][NX],
                       const double k[], double z[STAGES][NX], const double end[])
{
    double matrix[NX * NX], weighted[NX], e[NX], x[NX], again[NX], error;
    int order[NX];
    for (int i = 0; i < N_STATES; i++) {
        for (int j = 0; j < N_STATES; j++)
            matrix[i * N_STATES + j] = (i == j) - h * GAMMA * J[i][j];
        weighted[i] = E[0] * z[0][i] + E[1] * z[1][i] + E[2] * z[2][i];
        e[i] = GAMMA * h * k[i] + weighted[i];
    }
    if (!decompose(N_STATES, matrix, order))
        return INFINITY;
    solve(N_STATES, matrix, order, e);
    error = in_tolerances(e, p, end, tolerance);
    if (!(error > 1))
        return error;
    for (int i = 0; i < N_STATES; i++)
        x[i] = p->x[i] + e[i];
    slope(m, p->time, x, again);
    for (int i = 0; i < N_STATES; i++)
        e[i] = GAMMA * h * again[i] + weighted[i];
    solve(N_STATES, matrix, order, e);
    return in_tolerances(e, p, end, tolerance);
}

double attempt(Variables *m, const Point *p, double h, double tolerance)
{
    double k[NX], x[NX], J[NX][NX], z[STAGES][NX] = {{0}}, error;
    /* What is estimated is the error of order 3: so much of it leaves the asked for to order 5. */
    const double allowed_error = 0.1 * cbrt(tolerance) * cbrt(tolerance);
    slope(m, p->time, p->x, k);
    jacobian(m, p, k, J);
    if (!iterate(m, p, h, allowed_error, J, z))
        return INFINITY;
    for (int i = 0; i < N_STATES; i++)
        x[i] = p->x[i] + z[STAGES - 1][i];
    error = estimate(m, p, h, allowed_error, J, k, z, x);
    slope(m, p->time + h, x, k);
    return error;
}
