-- startup.lua - nothing but starting and ending the process. SPDX-License-Identifier: Apache-2.0
print(42)
