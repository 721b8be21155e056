/** Types that every room uses. Imports nothing of ours. */
package dev.attune.core;
