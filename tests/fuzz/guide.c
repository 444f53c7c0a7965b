/* Searches for inputs that take new ways through the code: what is mutated is what found one before.
 *
 * The code under test is compiled with -fsanitize=address,undefined -fsanitize-coverage=trace-pc, this file without the
 * latter. Usage: guide SECONDS SEED < seeds, one in hex per line; 0 seconds: only these are tried.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONGEST 8192
#define CORPUS_MAX 8192
#define WAYS (1u << 13)
#define PROGRESS 10.0

void try_input(const unsigned char *data, size_t size); /* read.c */
void fail(const char *what);
void __sanitizer_set_death_callback(void (*callback)(void));
void __sanitizer_cov_trace_pc(void);

struct input {
    unsigned char *data;
    size_t size;
};

static struct input corpus[CORPUS_MAX];
static unsigned kept;
static unsigned char now[LONGEST]; /* being tried */
static size_t now_size;
static uint64_t state;

/* How often each step from one place of the code to another was taken: by this input, and by all. */
static union {
    unsigned char count[WAYS];
    uint64_t word[WAYS / 8];
} taken;
static unsigned char seen[WAYS];
static uintptr_t before;

void __sanitizer_cov_trace_pc(void)
{
    const uintptr_t place = ((uintptr_t)__builtin_return_address(0) * 0x9E3779B97F4A7C15u) >> 40;
    unsigned char *count = &taken.count[(place ^ before) & (WAYS - 1)];

    *count += *count < 255;
    before = place >> 1;
}

static void show(void)
{
    fprintf(stderr, "input: ");
    for (size_t i = 0; i < now_size; i++)
        fprintf(stderr, "%02x", now[i]);
    fprintf(stderr, "\n");
}

void fail(const char *what)
{
    fprintf(stderr, "wrong: %s\n", what);
    show();
    exit(1);
}

/* Whether the input under test went where none was before, or more often round a loop. */
static int try_now(void)
{
    int new = 0;

    memset(&taken, 0, sizeof taken);
    before = 0;
    try_input(now, now_size);
    for (size_t i = 0; i < WAYS / 8; i++) {
        if (taken.word[i] == 0)
            continue;
        for (size_t way = i * 8; way < i * 8 + 8; way++) {
            const unsigned count = taken.count[way];
            const unsigned char often = (unsigned char)(count > 31 ? 8 : count > 3 ? 4 : count > 1 ? 2 : count);
            new |= (seen[way] & often) != often;
            seen[way] |= often;
        }
    }
    return new;
}

static void keep(void)
{
    if (kept == CORPUS_MAX)
        return;
    corpus[kept].data = malloc(now_size + 1);
    memcpy(corpus[kept].data, now, now_size);
    corpus[kept++].size = now_size;
}

static uint64_t draw(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545F4914F6CDD1Du) >> 16;
}

static size_t below(size_t bound)
{
    return bound ? draw() % bound : 0;
}

/* Replace `cut` bytes at `at` by `size` others. */
static void splice(size_t at, size_t cut, const unsigned char *from, size_t size)
{
    if (now_size - cut + size > LONGEST)
        return;
    memmove(now + at + size, now + at + cut, now_size - at - cut);
    memmove(now + at, from, size);
    now_size += size - cut;
}

static void mutate(void)
{
    static const unsigned char edges[] = {0, 1, 2, 4, 8, 0x0F, 0x10, 0x20, 0x40, 0x7F, 0x80, 0x90, 0xBE, 0xDE, 0xF0, 0xFF};
    unsigned char some[16];
    const size_t at = below(now_size), cut = below(now_size - at < 64 ? now_size - at : 64);
    const struct input *other = &corpus[below(kept)];
    const size_t begin = below(other->size);

    switch (now_size ? draw() % 7 : 5) {
    case 0:
        now[at] ^= (unsigned char)(1u << draw() % 8);
        break;
    case 1:
        now[at] = edges[draw() % sizeof edges];
        break;
    case 2:
        now[at] = (unsigned char)draw();
        break;
    case 3:
        now[at] += (unsigned char)(1 - 2 * (int)(draw() & 1));
        break;
    case 4:
        splice(at, draw() & 1 ? cut : now_size - at, now, 0);
        break;
    case 5:
        for (size_t i = 0; i < sizeof some; i++)
            some[i] = (unsigned char)draw();
        splice(at, 0, some, below(sizeof some));
        break;
    default:
        splice(at, draw() & 1 ? cut : 0, other->data + begin, below(other->size - begin < 256 ? other->size - begin : 256));
    }
}

static double seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void search(double most)
{
    const double began = seconds();
    double next = PROGRESS, passed = 0;
    unsigned ways = 0;
    uint64_t tried = 0;

    while (passed < most) {
        const struct input *from = &corpus[below(kept)], *other = &corpus[below(kept)];
        if (other->size < from->size) /* the shorter, the sooner tried */
            from = other;
        now_size = from->size;
        memcpy(now, from->data, now_size);
        for (size_t left = 1 + below(6); left > 0; left--)
            mutate();
        if (try_now())
            keep();
        if (++tried % 1024 == 0)
            passed = seconds() - began;
        if (passed >= next || passed >= most) {
            ways = 0;
            for (size_t way = 0; way < WAYS; way++)
                ways += seen[way] != 0;
            printf("%4.0f s: %llu inputs, %.0f a second; %u ways through the code, %u inputs that found them\n", passed,
                   (unsigned long long)tried, (double)tried / passed, ways, kept);
            fflush(stdout);
            next = passed + PROGRESS;
        }
    }
}

int main(int count, char **arguments)
{
    static char line[2 * LONGEST + 2];

    if (count != 3)
        return 2;
    state = strtoull(arguments[2], NULL, 10) * 2 + 1;
    __sanitizer_set_death_callback(show);
    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned byte;
        for (now_size = 0; now_size < LONGEST && sscanf(line + 2 * now_size, "%2x", &byte) == 1; now_size++)
            now[now_size] = (unsigned char)byte;
        try_now();
        keep();
    }
    if (kept > 0)
        search(atof(arguments[1]));
    return 0;
}
