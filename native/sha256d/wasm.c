/*
 * WebAssembly face of the kernels, for machines without a C compiler. No memory is given out: the caller writes to and
 * reads from the fixed places whose addresses the ..._at functions tell.
 */
#if defined(__wasm__)
#include "sha256d.h"

#define EXPORT(name) __attribute__((export_name(name)))
/* Longest data that sha256d takes. */
#define MAX_DATA 4096

static uint8_t header[80], target[32], data[MAX_DATA], digest[32];
static uint32_t versions[SHA256D_MAX_VERSIONS];
static sha256d_hit hits[SHA256D_MAX_HITS];
static uint32_t hit_count;

/* The C library is not linked; compilers may call these on their own. */
void *memcpy(void *to, const void *from, size_t size) { return __builtin_memcpy(to, from, size); }
void *memset(void *to, int byte, size_t size) { return __builtin_memset(to, byte, size); }

EXPORT("header_at") uint8_t *header_at(void) { return header; }
EXPORT("target_at") uint8_t *target_at(void) { return target; }
EXPORT("versions_at") uint32_t *versions_at(void) { return versions; }
EXPORT("hits_at") sha256d_hit *hits_at(void) { return hits; }
EXPORT("data_at") uint8_t *data_at(void) { return data; }
EXPORT("digest_at") uint8_t *digest_at(void) { return digest; }
EXPORT("hit_count") uint32_t hits_found(void) { return hit_count; }

/* Proves the kernels; 0 when one of them gives wrong results. */
EXPORT("init") int init(void) {
  uint32_t count;
  sha256d_kernel *all = sha256d_kernels(&count);
  sha256d_verify();
  for (uint32_t i = 0; i < count; i++)
    if (!all[i].usable) return 0;
  sha256d_set_best(&all[count - 1]);
  return 1;
}

/* Returns the nonces looked at, a whole number up to 2^32. kernel: 0 plain, 1 vectors. */
EXPORT("scan") double scan(uint32_t version_count, uint32_t start, double count, uint32_t kernel) {
  uint64_t done = 0;
  if (version_count < 1 || version_count > SHA256D_MAX_VERSIONS) return 0;
  hit_count = sha256d_scan(kernel == 0 ? sha256d_kernels(NULL) : sha256d_best(), header, target, versions, version_count,
                           start, (uint64_t)count, hits, &done);
  return (double)done;
}

EXPORT("sha256d") void double_hash(uint32_t size) {
  if (size <= MAX_DATA) sha256d(data, size, digest);
}
#endif
