/* Node-API face of the kernels. Every argument is checked: a wrong one throws a TypeError, never reads out of bounds. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#define NAPI_VERSION 8
#include <node_api.h>
#include <string.h>

#include "sha256d.h"

#if defined(_WIN32)
#include <windows.h>
static double seconds(void) {
  LARGE_INTEGER now, frequency;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&frequency);
  return (double)now.QuadPart / (double)frequency.QuadPart;
}
#else
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#if defined(__APPLE__)
#include <pthread/qos.h>
#endif
static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
#endif

/* Versions per nonce when measuring: what the CPU miner uses. */
#define MEASURE_VERSIONS 8
/* Long enough to tell kernels apart, short enough not to be felt at start. */
#define MEASURE_SECONDS 0.001

/* Runs one kernel for about a millisecond, twice, and keeps the better: the first also wakes wide units up. */
static void measure(sha256d_kernel *kernel) {
  static const uint8_t header[80] = {1}, target[32] = {0};
  uint32_t versions[MEASURE_VERSIONS];
  sha256d_hit hits[SHA256D_MAX_HITS];
  for (uint32_t i = 0; i < MEASURE_VERSIONS; i++) versions[i] = i << 13;
  for (int turn = 0; turn < 2; turn++) {
    double begin = seconds(), end;
    uint64_t nonces = 0, done;
    do {
      sha256d_scan(kernel, header, target, versions, MEASURE_VERSIONS, (uint32_t)nonces, 256, hits, &done);
      nonces += done;
      end = seconds();
    } while (end - begin < MEASURE_SECONDS);
    double rate = (double)nonces * MEASURE_VERSIONS / (end - begin);
    if (rate > kernel->hashes_per_second) kernel->hashes_per_second = rate;
  }
}

static void choose(void) {
  uint32_t count;
  sha256d_kernel *all = sha256d_kernels(&count);
  sha256d_kernel *best = NULL;
  sha256d_verify();
  for (uint32_t i = 0; i < count; i++) {
    if (!all[i].usable) continue;
    measure(&all[i]);
    if (best == NULL || all[i].hashes_per_second > best->hashes_per_second) best = &all[i];
  }
  sha256d_set_best(best);
}

/* Worker threads load the module at the same time: one of them chooses, the others wait. */
#if defined(_WIN32)
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static BOOL CALLBACK choose_windows(PINIT_ONCE o, PVOID parameter, PVOID *context) {
  (void)o, (void)parameter, (void)context;
  choose();
  return TRUE;
}
static void choose_once(void) { InitOnceExecuteOnce(&once, choose_windows, NULL, NULL); }
#else
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void choose_once(void) { pthread_once(&once, choose); }
#endif

static napi_value type_error(napi_env env, const char *message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", message);
  return NULL;
}

/* The memory of a Uint8Array (or Buffer); NULL when value is none. */
static uint8_t *bytes_of(napi_env env, napi_value value, size_t *size) {
  bool is_array = false;
  napi_typedarray_type type;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return NULL;
  if (napi_get_typedarray_info(env, value, &type, size, &data, NULL, NULL) != napi_ok) return NULL;
  if (type != napi_uint8_array) return NULL;
  return data;
}

static uint32_t *words_of(napi_env env, napi_value value, size_t *length) {
  bool is_array = false;
  napi_typedarray_type type;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return NULL;
  if (napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok) return NULL;
  if (type != napi_uint32_array) return NULL;
  return data;
}

/*
 * scan(header: Uint8Array(80), target: Uint8Array(32), versions: Uint32Array(1..16), start, count,
 *      hits: Uint32Array(2048), kernel: string | undefined) -> [nonces looked at, number of hits]
 * Hits are written as pairs: nonce, place of the version.
 */
static napi_value scan(napi_env env, napi_callback_info info) {
  size_t argc = 7, header_size = 0, target_size = 0, version_count = 0, hits_length = 0;
  napi_value args[7], result, number;
  uint32_t start, found;
  int64_t count;
  uint64_t done = 0;
  sha256d_hit hits[SHA256D_MAX_HITS];
  sha256d_kernel *kernel = sha256d_best();
  napi_valuetype kernel_type;

  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc < 6) {
    return type_error(env, "scan takes header, target, versions, start, count, hits");
  }
  const uint8_t *header = bytes_of(env, args[0], &header_size);
  const uint8_t *target = bytes_of(env, args[1], &target_size);
  const uint32_t *versions = words_of(env, args[2], &version_count);
  uint32_t *out = words_of(env, args[5], &hits_length);
  if (header == NULL || header_size != 80) return type_error(env, "header is a Uint8Array of 80 bytes");
  if (target == NULL || target_size != 32) return type_error(env, "target is a Uint8Array of 32 bytes");
  if (versions == NULL || version_count < 1 || version_count > SHA256D_MAX_VERSIONS) {
    return type_error(env, "versions is a Uint32Array of 1 to 16 versions");
  }
  if (out == NULL || hits_length < 2 * SHA256D_MAX_HITS) return type_error(env, "hits is a Uint32Array of 2048");
  if (napi_get_value_uint32(env, args[3], &start) != napi_ok) return type_error(env, "start is a number");
  if (napi_get_value_int64(env, args[4], &count) != napi_ok || count < 0 || count > 0x100000000) {
    return type_error(env, "count is a number from 0 to 2^32");
  }
  if (argc == 7 && napi_typeof(env, args[6], &kernel_type) == napi_ok && kernel_type != napi_undefined) {
    char name[16];
    uint32_t kernel_count;
    size_t length;
    sha256d_kernel *all = sha256d_kernels(&kernel_count);
    if (napi_get_value_string_utf8(env, args[6], name, sizeof name, &length) != napi_ok) {
      return type_error(env, "kernel is a name");
    }
    kernel = NULL;
    for (uint32_t i = 0; i < kernel_count; i++) {
      if (strcmp(all[i].name, name) == 0 && all[i].usable) kernel = &all[i];
    }
  }
  if (kernel == NULL) return type_error(env, "this kernel does not run here");

  found = sha256d_scan(kernel, header, target, versions, (uint32_t)version_count, start, (uint64_t)count, hits, &done);
  for (uint32_t i = 0; i < found; i++) {
    out[2 * i] = hits[i].nonce;
    out[2 * i + 1] = hits[i].version_index;
  }
  if (napi_create_array_with_length(env, 2, &result) != napi_ok) return NULL;
  if (napi_create_double(env, (double)done, &number) != napi_ok) return NULL;
  if (napi_set_element(env, result, 0, number) != napi_ok) return NULL;
  if (napi_create_uint32(env, found, &number) != napi_ok) return NULL;
  if (napi_set_element(env, result, 1, number) != napi_ok) return NULL;
  return result;
}

/* sha256d(data: Uint8Array, digest: Uint8Array(32)): writes the double SHA-256 of data to digest. */
static napi_value double_hash(napi_env env, napi_callback_info info) {
  size_t argc = 2, data_size = 0, digest_size = 0;
  napi_value args[2];
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc < 2) {
    return type_error(env, "sha256d takes data and digest");
  }
  const uint8_t *data = bytes_of(env, args[0], &data_size);
  uint8_t *digest = bytes_of(env, args[1], &digest_size);
  if (data == NULL && data_size != 0) return type_error(env, "data is a Uint8Array");
  if (digest == NULL || digest_size != 32) return type_error(env, "digest is a Uint8Array of 32 bytes");
  sha256d(data, data_size, digest);
  return NULL;
}

/* lowerPriority(): puts the calling thread, and only it, behind everything else on this computer. */
static napi_value lower_priority(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
#if defined(_WIN32)
  SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_IDLE);
#elif defined(__APPLE__)
  pthread_set_qos_class_self_np(QOS_CLASS_BACKGROUND, 0);
#elif defined(__linux__)
  /* Linux: "process" 0 is the calling thread (setpriority(2), C library differences). */
  setpriority(PRIO_PROCESS, 0, 19);
#endif
  return NULL;
}

/* features() -> [{ name, usable, hashesPerSecond, best }] */
static napi_value features(napi_env env, napi_callback_info info) {
  uint32_t count;
  napi_value list, entry, value;
  sha256d_kernel *all = sha256d_kernels(&count);
  (void)info;
  if (napi_create_array_with_length(env, count, &list) != napi_ok) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    bool ok = napi_create_object(env, &entry) == napi_ok &&
              napi_create_string_utf8(env, all[i].name, NAPI_AUTO_LENGTH, &value) == napi_ok &&
              napi_set_named_property(env, entry, "name", value) == napi_ok &&
              napi_get_boolean(env, all[i].usable != 0, &value) == napi_ok &&
              napi_set_named_property(env, entry, "usable", value) == napi_ok &&
              napi_create_double(env, all[i].hashes_per_second, &value) == napi_ok &&
              napi_set_named_property(env, entry, "hashesPerSecond", value) == napi_ok &&
              napi_get_boolean(env, &all[i] == sha256d_best(), &value) == napi_ok &&
              napi_set_named_property(env, entry, "best", value) == napi_ok &&
              napi_set_element(env, list, i, entry) == napi_ok;
    if (!ok) return NULL;
  }
  return list;
}

NAPI_MODULE_INIT() {
  static const napi_property_descriptor exported[] = {
      {"scan", NULL, scan, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sha256d", NULL, double_hash, NULL, NULL, NULL, napi_enumerable, NULL},
      {"lowerPriority", NULL, lower_priority, NULL, NULL, NULL, napi_enumerable, NULL},
      {"features", NULL, features, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  choose_once();
  if (sha256d_best() == NULL) {
    napi_throw_error(env, "ERR_SHA256D_BROKEN", "no SHA-256 kernel gives right results on this machine");
    return NULL;
  }
  if (napi_define_properties(env, exports, sizeof exported / sizeof exported[0], exported) != napi_ok) return NULL;
  return exports;
}
