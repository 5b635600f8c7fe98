/* SSE2, four nonces at a time: every x86-64 processor has it. */
#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>

#include "sha256d.h"

#define KERNEL sha256d_run_sse2
#define KERNEL_NAME(part) sse2_##part
#define LANES 4
typedef __m128i V;
#define SET1(x) _mm_set1_epi32((int)(x))
#define NONCES(n) _mm_add_epi32(SET1(n), _mm_setr_epi32(0, 1, 2, 3))
#define ADD(x, y) _mm_add_epi32(x, y)
#define XOR(x, y) _mm_xor_si128(x, y)
#define XOR3(x, y, z) XOR(XOR(x, y), z)
#define ROTR(x, n) _mm_or_si128(_mm_srli_epi32(x, n), _mm_slli_epi32(x, 32 - (n)))
#define SHR(x, n) _mm_srli_epi32(x, n)
#define CH(x, y, z) XOR(z, _mm_and_si128(x, XOR(y, z)))
/* Its second half is the first of the round before: the compiler keeps it. */
#define MAJ(x, y, z) XOR(y, _mm_and_si128(XOR(x, y), XOR(y, z)))
#define BSWAP(v)                                                                             \
  _mm_or_si128(_mm_or_si128(_mm_srli_epi32(v, 24), _mm_slli_epi32(v, 24)),                    \
               _mm_or_si128(_mm_and_si128(_mm_srli_epi32(v, 8), _mm_set1_epi32(0xff00)),      \
                            _mm_and_si128(_mm_slli_epi32(v, 8), _mm_set1_epi32(0xff0000))))
#define ZERO_LANES(v, mask) \
  (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(_mm_and_si128(v, SET1(mask)), _mm_setzero_si128())))
#include "lanes.h"
#endif
