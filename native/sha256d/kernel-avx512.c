/* AVX-512 (foundation instructions only), sixteen nonces at a time. */
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "sha256d.h"

#define KERNEL sha256d_run_avx512
#define KERNEL_NAME(part) avx512_##part
#define LANES 16
typedef __m512i V;
#define SET1(x) _mm512_set1_epi32((int)(x))
#define NONCES(n) \
  _mm512_add_epi32(SET1(n), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define ADD(x, y) _mm512_add_epi32(x, y)
/* Truth tables of vpternlogd: bit 4x + 2y + z. */
#define XOR3(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define CH(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define MAJ(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe8)
#define ROTR(x, n) _mm512_ror_epi32(x, n)
#define SHR(x, n) _mm512_srli_epi32(x, n)
/* Bytes 0 and 2 from one rotation, 1 and 3 from the other. */
#define BSWAP(v) \
  _mm512_ternarylogic_epi32(SET1(0x00ff00ff), _mm512_rol_epi32(v, 8), _mm512_ror_epi32(v, 8), 0xca)
#define ZERO_LANES(v, mask) (uint32_t)_mm512_testn_epi32_mask(v, SET1(mask))
#include "lanes.h"
#endif
