// Products of matrices, norms and the exponential function: what the model of ``model.h`` is made of.
//
// Matrices are cut into panels of PANEL columns of their transpose, (panel, input, column), so that a
// product reads them once from front to back. Every sum is taken in the same order whichever rows are
// in hand, so a row has the same bits alone and among others.
//
// exp: range reduction and polynomial of Cephes' expf (S. Moshier, netlib); its error is within two
// units of the last place.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace swarm {

#ifdef __AVX512F__
constexpr int LANES = 16, TILE = 4;
#else
constexpr int LANES = 8, TILE = 2;
#endif
constexpr int PANEL = 4 * LANES;
typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

// Not memcpy: that would keep sums in memory instead of registers.
inline Vector load(const float *from) { return *reinterpret_cast<const Vector *>(from); }
inline void store(Vector what, float *to) { *reinterpret_cast<Vector *>(to) = what; }

inline int rounded(int n, int to) { return (n + to - 1) / to * to; }

inline float exponential(float x) {
    x = std::min(std::max(x, -87.0f), 88.0f);
    const float n = std::nearbyint(x * 1.44269504088896341f);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

struct Matrix {
    int rows = 0, columns = 0;  // of the matrix as trained: (out, in)
    std::vector<float> panels;

    const float *take(const float *from, int n_rows, int n_columns) {
        rows = n_rows, columns = n_columns;
        panels.assign(static_cast<size_t>(rounded(rows, PANEL)) * columns, 0.0f);
        for (int n = 0; n < rows; ++n)
            for (int k = 0; k < columns; ++k)
                panels[(static_cast<size_t>(n / PANEL) * columns + k) * PANEL + n % PANEL] = *from++;
        return from;
    }
    int stride() const { return rounded(rows, PANEL); }
};

template <int R>
void tile(const float *panel, int n_in, const float *x, int x_stride, float *y, int y_stride) {
    Vector sum[R][4] = {};
    for (int k = 0; k < n_in; ++k, panel += PANEL) {
        const Vector w[4] = {load(panel), load(panel + LANES), load(panel + 2 * LANES), load(panel + 3 * LANES)};
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < 4; ++c) sum[r][c] += w[c] * x[r * x_stride + k];
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < 4; ++c) store(sum[r][c], y + r * y_stride + c * LANES);
}

// y = x W^T for some rows; y has the matrix's stride.
inline void multiply(const Matrix &m, const float *x, int x_stride, int n_rows, float *y) {
    for (int at = 0; at < m.stride(); at += PANEL) {
        const float *panel = m.panels.data() + static_cast<size_t>(at) * m.columns;
        int r = 0;
        for (; r + TILE <= n_rows; r += TILE)
            tile<TILE>(panel, m.columns, x + r * x_stride, x_stride, y + r * m.stride() + at, m.stride());
        for (; r < n_rows; ++r)
            tile<1>(panel, m.columns, x + r * x_stride, x_stride, y + r * m.stride() + at, m.stride());
    }
}

struct Norm {
    std::vector<float> scale, shift;

    const float *take(const float *from, int width, bool is_layernorm) {
        scale.assign(from, from + width), from += width;
        if (is_layernorm) shift.assign(from, from + width), from += width;
        return from;
    }
    void operator()(const float *x, float *y) const {
        const int n = static_cast<int>(scale.size());
        float mean = 0.0f, square = 0.0f;
        if (!shift.empty()) {
#pragma omp simd reduction(+ : mean)
            for (int i = 0; i < n; ++i) mean += x[i];
            mean /= n;
        }
#pragma omp simd reduction(+ : square)
        for (int i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean);
        const float factor = 1.0f / std::sqrt(square / n + (shift.empty() ? 1e-6f : 1e-5f));
#pragma omp simd
        for (int i = 0; i < n; ++i) y[i] = (x[i] - mean) * factor * scale[i];
        if (!shift.empty())
#pragma omp simd
            for (int i = 0; i < n; ++i) y[i] += shift[i];
    }
};

}  // namespace swarm
