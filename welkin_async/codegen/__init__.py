"""Code generation: typed classes for the CDTs of an instance, made from their formations."""

from welkin_async.codegen.fingerprint import fingerprint
from welkin_async.codegen.generated_file import Drift, compare
from welkin_async.codegen.module import CodegenError, generate

__all__ = ["CodegenError", "Drift", "compare", "fingerprint", "generate"]
