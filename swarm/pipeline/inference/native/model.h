// The model of ``swarm/pipeline/pretraining/model.py``, some rows at a time.
//
// Keys are held (head, number, position), so that scores of many positions are one vector; values are
// held (position, head and number).

#pragma once

#include "kernels.h"

namespace swarm {

constexpr int SLOTS = 32, VOCABULARY = 256;

enum Activation { GELU, RELU2, SWIGLU };

struct Shape {
    int32_t width, depth, heads, n_kv, hidden, context, window;
    int32_t is_layernorm, is_learned, is_qk_norm, activation;
    int head() const { return width / heads; }
    int kv_width() const { return head() * n_kv; }
    int qkv_width() const { return width + 2 * kv_width(); }
    int up_width() const { return hidden * (activation == SWIGLU ? 2 : 1); }
};

struct Block {
    Norm norm_1, norm_2;
    Matrix qkv, attention_out, up, mlp_out;
};

// Keys and values of all blocks for a run of positions.
struct Segment {
    int capacity = 0;
    std::vector<float> keys, values;

    void open(const Shape &s, int n_positions) {
        capacity = rounded(n_positions, LANES);
        const size_t n = static_cast<size_t>(s.depth) * s.kv_width() * capacity;
        // One vector more: attention reads whole vectors, and leaves alone what it did not need.
        keys.assign(n + LANES, 0.0f);
        values.assign(n + LANES, 0.0f);
    }
    float *key(int block, int kv_width) {
        return keys.data() + static_cast<size_t>(block) * kv_width * capacity;
    }
    float *value(int block, int kv_width) {
        return values.data() + static_cast<size_t>(block) * capacity * kv_width;
    }
};

// One position to be read: its byte, where it stands, and what it may look at.
struct Row {
    int byte, at;
    Segment *prompt;
    int n_prompt;  // positions of the prompt that it sees, itself included where it is one
    Segment *own;  // none while the prompt is read
    int n_own;
};

struct Model {
    Shape shape;
    std::vector<float> embed, positions, rotation;
    std::vector<Block> blocks;
    Norm norm;
    Matrix head;
    // Room for the rows in hand.
    mutable std::vector<float> x, y, projected, hidden, scores;

    Model(const Shape &s, const float *from) : shape(s), blocks(s.depth) {
        const int w = s.width;
        embed.assign(from, from + VOCABULARY * w), from += VOCABULARY * w;
        if (s.is_learned) positions.assign(from, from + s.context * w), from += s.context * w;
        else rotation.assign(from, from + s.context * s.head()), from += s.context * s.head();
        for (Block &b : blocks) {
            from = b.norm_1.take(from, w, s.is_layernorm);
            from = b.qkv.take(from, s.qkv_width(), w);
            from = b.attention_out.take(from, w, w);
            from = b.norm_2.take(from, w, s.is_layernorm);
            from = b.up.take(from, s.up_width(), w);
            from = b.mlp_out.take(from, w, s.hidden);
        }
        from = norm.take(from, w, s.is_layernorm);
        head.take(from, VOCABULARY, w);
        x.resize(SLOTS * w);
        y.resize(SLOTS * std::max({w, rounded(w, PANEL), s.hidden}));
        hidden.resize(SLOTS * rounded(std::max(w, s.up_width()), PANEL));
        projected.resize(SLOTS * rounded(s.qkv_width(), PANEL));
        scores.resize(s.context + 3 * LANES);
    }

    // Reads rows; afterwards x holds what the last block gave.
    void read(const Row *rows, int n) const {
        const int w = shape.width;
        for (int r = 0; r < n; ++r)
            for (int i = 0; i < w; ++i)
                x[r * w + i] = embed[rows[r].byte * w + i] +
                               (shape.is_learned ? positions[rows[r].at * w + i] : 0.0f);
        for (int b = 0; b < shape.depth; ++b) {
            const Block &block = blocks[b];
            for (int r = 0; r < n; ++r) block.norm_1(&x[r * w], &y[r * w]);
            multiply(block.qkv, y.data(), w, n, projected.data());
            // All keys first: rows of one prompt see each other.
            for (int r = 0; r < n; ++r) remember(b, rows[r], &projected[r * block.qkv.stride()]);
            for (int r = 0; r < n; ++r)
                attend(b, rows[r], &projected[r * block.qkv.stride()], &y[r * w]);
            add(block.attention_out, w, n);
            for (int r = 0; r < n; ++r) block.norm_2(&x[r * w], &y[r * w]);
            multiply(block.up, y.data(), w, n, hidden.data());
            for (int r = 0; r < n; ++r) activate(&hidden[r * block.up.stride()], &y[r * shape.hidden]);
            add(block.mlp_out, shape.hidden, n);
        }
    }

    void logits(int row, float *out) const {
        norm(&x[row * shape.width], y.data());
        multiply(head, y.data(), shape.width, 1, out);
    }

    void logits(int n, std::vector<float> &out) const {
        for (int r = 0; r < n; ++r) norm(&x[r * shape.width], &y[r * shape.width]);
        multiply(head, y.data(), shape.width, n, out.data());
    }

  private:
    void add(const Matrix &m, int y_stride, int n) const {
        multiply(m, y.data(), y_stride, n, hidden.data());
        float *__restrict__ to = x.data();
        const float *__restrict__ from = hidden.data();
        for (int r = 0; r < n; ++r)
            for (int i = 0; i < shape.width; ++i) to[r * shape.width + i] += from[r * m.stride() + i];
    }

    void remember(int block, const Row &row, float *qkv) const {
        const int d = shape.head(), kv = shape.kv_width();
        for (int h = 0; h < shape.heads + shape.n_kv; ++h) {
            float *one = qkv + h * d;
            if (shape.is_qk_norm) {
                float square = 0.0f;
#pragma omp simd reduction(+ : square)
                for (int i = 0; i < d; ++i) square += one[i] * one[i];
                const float factor = 1.0f / std::sqrt(square / d + 1.1920929e-7f);
                for (int i = 0; i < d; ++i) one[i] *= factor;
            }
            if (!shape.is_learned) {
                const float *cosine = &rotation[row.at * (d / 2)], *sine = cosine + shape.context * (d / 2);
#pragma omp simd
                for (int i = 0; i < d / 2; ++i) {
                    const float a = one[i], b = one[i + d / 2];
                    one[i] = a * cosine[i] - b * sine[i];
                    one[i + d / 2] = a * sine[i] + b * cosine[i];
                }
            }
        }
        Segment &into = row.own ? *row.own : *row.prompt;
        const int at = row.own ? row.n_own - 1 : row.n_prompt - 1;
        float *keys = into.key(block, kv), *values = into.value(block, kv) + at * kv;
        for (int i = 0; i < kv; ++i) keys[i * into.capacity + at] = qkv[shape.width + i];
        for (int i = 0; i < kv; ++i) values[i] = qkv[shape.width + kv + i];
    }

    void attend(int block, const Row &row, const float *q, float *out) const {
        const int d = shape.head(), kv = shape.kv_width(), group = shape.heads / shape.n_kv;
        const int low = row.at - shape.window + 1;
        const int from_prompt = std::clamp(low, 0, row.n_prompt);
        const int from_own = std::max(0, low - row.n_prompt), n_own = row.own ? row.n_own : 0;
        const int n_first = row.n_prompt - from_prompt, n = n_first + std::max(0, n_own - from_own);
        const float scale = 1.0f / std::sqrt(static_cast<float>(d));
        for (int h = 0; h < shape.heads; ++h, q += d, out += d) {
            const int offset = h / group * d;
            float *s = scores.data();
            score(*row.prompt, block, offset, from_prompt, row.n_prompt, q, scale, s);
            if (n_own) score(*row.own, block, offset, from_own, n_own, q, scale, s + n_first);
            float highest = s[0], total = 0.0f;
#pragma omp simd reduction(max : highest)
            for (int t = 0; t < n; ++t) highest = std::max(highest, s[t]);
#pragma omp simd reduction(+ : total)
            for (int t = 0; t < n; ++t) s[t] = exponential(s[t] - highest), total += s[t];
            const float share = 1.0f / total;
            const float *first = row.prompt->value(block, kv) + offset + from_prompt * kv;
            const float *second = n_own ? row.own->value(block, kv) + offset + from_own * kv : first;
            for (int i = 0; i < d; i += LANES) {
                Vector sum[2] = {};
                gather(s, first + i, n_first, kv, sum);
                gather(s + n_first, second + i, n - n_first, kv, sum);
                sum[0] = (sum[0] + sum[1]) * share;
                std::memcpy(out + i, sum, sizeof(float) * std::min(LANES, d - i));
            }
        }
    }

    // Adds weighted values of positions, even and odd ones apart: two sums hide the latency of one.
    static void gather(const float *weights, const float *values, int n, int stride, Vector *sum) {
        Vector even = sum[0], odd = sum[1];
        int t = 0;
        for (; t + 2 <= n; t += 2, values += 2 * stride) {
            even += load(values) * weights[t];
            odd += load(values + stride) * weights[t + 1];
        }
        if (t < n) even += load(values) * weights[t];
        sum[0] = even, sum[1] = odd;
    }

    // Writes scores of some positions, and up to a vector of nonsense after them.
    void score(Segment &in, int block, int offset, int from, int to, const float *q, float scale,
               float *s) const {
        const float *keys = in.key(block, shape.kv_width()) + static_cast<size_t>(offset) * in.capacity;
        const int d = shape.head();
        for (int t = from; t < to; t += LANES, s += LANES) {
            Vector sum = {};
            for (int i = 0; i < d; ++i) sum += load(keys + i * in.capacity + t) * q[i];
            store(sum * scale, s);
        }
    }

    void activate(const float *up, float *out) const {
        const int n = shape.hidden;
        switch (shape.activation) {
            case GELU:
#pragma omp simd
                for (int i = 0; i < n; ++i) {
                    const float v = up[i], inner = 0.7978845608028654f * (v + 0.044715f * v * v * v);
                    out[i] = v - v / (exponential(2.0f * inner) + 1.0f);
                }
                break;
            case RELU2:
#pragma omp simd
                for (int i = 0; i < n; ++i) {
                    const float v = std::max(up[i], 0.0f);
                    out[i] = v * v;
                }
                break;
            case SWIGLU:
#pragma omp simd
                for (int i = 0; i < n; ++i) out[i] = up[i] / (1.0f + exponential(-up[i])) * up[n + i];
                break;
        }
    }
};

}  // namespace swarm
