// Decodes whole batches without leaving C++: one thread, float32, plain loops and vector types.
//
// A prompt is read once, and its keys and values are shared by its answers. Up to SLOTS answers are in
// hand at once; one that ends makes room for the next, so the rows never thin out before the end.
// An answer has the same bits alone and in any batch: see kernels.h.

#include "model.h"

namespace swarm {
namespace {

struct Batch {
    const uint8_t *bytes;
    const int64_t *starts;  // P + 1 offsets into bytes
    int64_t n_prompts, n_samples, n_bytes, stop, slots;
    const double *uniforms;  // (P, S, N)
    double temperature;
    uint8_t *out;  // (P, S, N)
};

struct Prompt {
    Segment read;
    int length = 0, n_unfinished = 0;
    std::vector<float> logits;  // of the byte after it
};

struct Answer {
    int64_t prompt = 0, sample = 0;
    int n = 0, byte = 0;  // bytes chosen so far, and the last of them
    Segment own;
};

int choose(const float *logits, double uniform, float temperature) {
    if (temperature == 0.0f)
        return static_cast<int>(std::max_element(logits, logits + VOCABULARY) - logits);
    float term[VOCABULARY], highest = logits[0];
#pragma omp simd reduction(max : highest)
    for (int i = 0; i < VOCABULARY; ++i) highest = std::max(highest, logits[i]);
    highest /= temperature;
    for (int i = 0; i < VOCABULARY; ++i) term[i] = exponential(logits[i] / temperature - highest);
    double sums[VOCABULARY], sum = 0.0;
    for (int i = 0; i < VOCABULARY; ++i) sums[i] = sum += term[i];
    const double aim = uniform * sum;
    return std::min(static_cast<int>(std::upper_bound(sums, sums + VOCABULARY, aim) - sums), VOCABULARY - 1);
}


class Decoding {
  public:
    Decoding(const Model &model, const Batch &batch)
        : model_(model), batch_(batch), prompts_(batch.n_prompts),
          slots_(std::clamp<int64_t>(batch.slots, 1, SLOTS)), logits_(SLOTS * rounded(VOCABULARY, PANEL)) {
        for (Answer &one : slots_) one.own.open(model.shape, static_cast<int>(batch.n_bytes));
    }

    void run() {
        Row rows[SLOTS];
        for (;;) {
            while (n_live_ < slots_.size() && next_ < batch_.n_prompts * batch_.n_samples) admit();
            if (!n_live_) return;
            for (size_t r = 0; r < n_live_; ++r) {
                Answer &one = slots_[r];
                Prompt &of = prompts_[one.prompt];
                rows[r] = {one.byte, of.length + one.n - 1, &of.read, of.length, &one.own, one.n};
            }
            model_.read(rows, static_cast<int>(n_live_));
            model_.logits(static_cast<int>(n_live_), logits_);
            size_t kept = 0;
            for (size_t r = 0; r < n_live_; ++r) {
                if (ends(slots_[r], &logits_[r * rounded(VOCABULARY, PANEL)])) continue;
                if (kept != r) std::swap(slots_[kept], slots_[r]);
                ++kept;
            }
            n_live_ = kept;
        }
    }

  private:
    // Takes up the next answer; it needs no slot where its first byte is its last.
    void admit() {
        const int64_t prompt = next_ / batch_.n_samples;
        Answer &one = slots_[n_live_];
        one.prompt = prompt, one.sample = next_++ % batch_.n_samples, one.n = 0;
        if (one.sample == 0) open(prompt);
        if (!ends(one, prompts_[prompt].logits.data())) ++n_live_;
    }

    void open(int64_t number) {
        Prompt &prompt = prompts_[number];
        const uint8_t *bytes = batch_.bytes + batch_.starts[number];
        prompt.length = static_cast<int>(batch_.starts[number + 1] - batch_.starts[number]);
        prompt.n_unfinished = static_cast<int>(batch_.n_samples);
        prompt.read.open(model_.shape, prompt.length);
        prompt.logits.resize(rounded(VOCABULARY, PANEL));
        Row rows[SLOTS];
        for (int at = 0; at < prompt.length; at += SLOTS) {
            const int n = std::min(SLOTS, prompt.length - at);
            for (int r = 0; r < n; ++r) rows[r] = {bytes[at + r], at + r, &prompt.read, at + r + 1, nullptr, 0};
            model_.read(rows, n);
            if (at + n == prompt.length) model_.logits(n - 1, prompt.logits.data());
        }
    }

    // Chooses the next byte of an answer; says whether it is the last.
    bool ends(Answer &one, const float *logits) {
        const int64_t place = (one.prompt * batch_.n_samples + one.sample) * batch_.n_bytes + one.n;
        one.byte = choose(logits, batch_.uniforms[place], static_cast<float>(batch_.temperature));
        batch_.out[place] = static_cast<uint8_t>(one.byte);
        if (one.byte != batch_.stop && ++one.n < batch_.n_bytes) return false;
        Prompt &of = prompts_[one.prompt];
        if (--of.n_unfinished == 0) of.read = Segment();
        return true;
    }

    const Model &model_;
    const Batch &batch_;
    std::vector<Prompt> prompts_;
    std::vector<Answer> slots_;
    std::vector<float> logits_;
    size_t n_live_ = 0;
    int64_t next_ = 0;
};

}  // namespace
}  // namespace swarm

extern "C" {

void *swarm_load(const int32_t *shape, const float *weights) {
    swarm::Shape s;
    std::memcpy(&s, shape, sizeof s);
    return new swarm::Model(s, weights);
}

void swarm_free(void *model) { delete static_cast<swarm::Model *>(model); }

void swarm_decode(const void *model, const swarm::Batch *batch) {
    swarm::Decoding(*static_cast<const swarm::Model *>(model), *batch).run();
}
}
