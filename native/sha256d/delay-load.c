/*
 * Windows: an add-on is linked against "NODE.EXE", but the program that loads it may have another name (electron.exe).
 * The delay-load hook answers with the running program itself.
 */
#if defined(_WIN32)
#include <windows.h>
#include <delayimp.h>
#include <string.h>

static FARPROC WINAPI running_program(unsigned event, PDelayLoadInfo info) {
  if (event != dliNotePreLoadLibrary || _stricmp(info->szDll, "node.exe") != 0) return NULL;
  return (FARPROC)GetModuleHandleW(NULL);
}

const PfnDliHook __pfnDliNotifyHook2 = running_program;
#endif
