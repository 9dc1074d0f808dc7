"""The DeepSeek-V2/V3 model: config, rotary embedding, latent attention, experts, adapters, transformer."""
