/* AVX2, eight nonces at a time. */
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "sha256d.h"

#define KERNEL sha256d_run_avx2
#define KERNEL_NAME(part) avx2_##part
#define LANES 8
typedef __m256i V;
#define SET1(x) _mm256_set1_epi32((int)(x))
#define NONCES(n) _mm256_add_epi32(SET1(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define ADD(x, y) _mm256_add_epi32(x, y)
#define XOR(x, y) _mm256_xor_si256(x, y)
#define XOR3(x, y, z) XOR(XOR(x, y), z)
#define ROTR(x, n) _mm256_or_si256(_mm256_srli_epi32(x, n), _mm256_slli_epi32(x, 32 - (n)))
#define SHR(x, n) _mm256_srli_epi32(x, n)
#define CH(x, y, z) XOR(z, _mm256_and_si256(x, XOR(y, z)))
/* Its second half is the first of the round before: the compiler keeps it. */
#define MAJ(x, y, z) XOR(y, _mm256_and_si256(XOR(x, y), XOR(y, z)))
#define BSWAP(v)                                                                                   \
  _mm256_shuffle_epi8(v, _mm256_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 12, \
                                         13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3))
#define ZERO_LANES(v, mask)              \
  (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps( \
      _mm256_cmpeq_epi32(_mm256_and_si256(v, SET1(mask)), _mm256_setzero_si256())))
#include "lanes.h"
#endif
