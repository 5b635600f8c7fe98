/* WebAssembly's 128-bit vectors, four nonces at a time. */
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>

#include "sha256d.h"

#define KERNEL sha256d_run_simd128
#define KERNEL_NAME(part) simd128_##part
#define LANES 4
typedef v128_t V;
#define SET1(x) wasm_i32x4_splat((int)(x))
#define NONCES(n) wasm_i32x4_add(SET1(n), wasm_i32x4_make(0, 1, 2, 3))
#define BSWAP(v) wasm_i8x16_shuffle(v, v, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)
#define ADD(x, y) wasm_i32x4_add(x, y)
#define XOR(x, y) wasm_v128_xor(x, y)
#define XOR3(x, y, z) XOR(XOR(x, y), z)
#define ROTR(x, n) wasm_v128_or(wasm_u32x4_shr(x, n), wasm_i32x4_shl(x, 32 - (n)))
#define SHR(x, n) wasm_u32x4_shr(x, n)
#define CH(x, y, z) XOR(z, wasm_v128_and(x, XOR(y, z)))
/* Its second half is the first of the round before: the compiler keeps it. */
#define MAJ(x, y, z) XOR(y, wasm_v128_and(XOR(x, y), XOR(y, z)))
#define ZERO_LANES(v, mask) \
  (uint32_t)wasm_i32x4_bitmask(wasm_i32x4_eq(wasm_v128_and(v, SET1(mask)), wasm_i32x4_splat(0)))
#include "lanes.h"
#endif
