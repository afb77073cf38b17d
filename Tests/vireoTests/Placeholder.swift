// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0
