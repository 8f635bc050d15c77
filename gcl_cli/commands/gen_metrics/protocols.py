"""How each figure of `gcl gen-metrics` comes about, in a sentence that is printed beside it."""

from collections.abc import Collection

PROTOCOLS = {
    "pictures": (
        "real: the training pictures; generated: one picture of each from a random turn (the figures above the tables) "
        "and from every turn alone (per angle)"
    ),
    "fid": (
        "Frechet distance (FID) of pytorch-fid's Inception features; pictures resized to 256x128 (bicubic) first; "
        "biased upwards for few pictures: compare equal numbers within one tool"
    ),
    "kid": (
        "kernel distance (KID): cubic polynomial kernel, unbiased, mean over random subsets; 95 % interval of the "
        "whole from their spread; in Inception's space where its weights are there, and in the encoder's"
    ),
    "encoder": "Frechet distance of the identity encoder's unit embeddings",
    "references": (
        "real halves: the training pictures cut into two at random (half as many in each, which raises FID and Frechet "
        "distances, not KID); training against gallery: as many gallery pictures as there are; photographs: real "
        "pictures measured as if they had been generated"
    ),
    "dssim": (
        "(1 - SSIM) / 2 in CIE Lab, 7x7 windows, range 100, between pictures of one person: larger = more varied; "
        "ssim = 1 - 2 dssim; dssim: at the networks' size; dssim_real_native: photographs at the size of their "
        "files; _at_256x128: all at one size"
    ),
    "identity": (
        "each generated picture searches the real ones by cosine, its source left out: identity_kept = rank-1, and "
        "mean and median rank of the first picture of its person; across cameras: that person's pictures "
        "under the source's camera left out too; photographs: what real pictures reach in their place; other "
        "backdrop: the same with the person cut out and put before somebody else's, since a view's own backdrop may "
        "tell who stood there; backdrops alone are what is found with nobody drawn"
    ),
    "pose": (
        "the body of the generated picture, estimated as gcl mesh does, against the mesh it was asked for: share "
        "whose yaw is in the asked 45-degree bin (less than 22.5 degrees off) and within one (67.5), nobody found = "
        "missed; keypoint error after the best scale and shift, in % of the body's height; photographs: the "
        "same for real pictures at the networks' size and their own mesh; against the known orientation: the "
        "mesh of a real picture and its true yaw"
    ),
    "real_side": (
        "against real photographs of the person under other cameras, of the orientation nearest to the asked one, and "
        "against other people from that side: cosine, SSIM in Lab, share closer to the person than to another one "
        "drawn at random (chance 50 %), rank-1 among all people from that side; source: the photograph as it is, "
        "unturned; photographs: a real picture of the person from that side under the source's camera. "
        "Limits: orientations are known in steps, steps and arms differ, SSIM sees every pixel of misalignment"
    ),
    "pairs": "SSIM in CIE Lab between a generated picture and the real one of its name; native: of equal size only",
}


def protocol_of(measures: Collection[str]) -> list[dict[str, str]]:
    """The protocols of some measures, a row each, for a result."""
    return [{"figure": name, "how": how} for name, how in PROTOCOLS.items() if name in measures]
